"""Collage: a rectangle of a region's 4×4 blocks is taken from another region, pixels and targets alike.

The teacher saw each block by itself, so the targets of the collage are exact, at no teacher's cost: few regions give
many more. It is CutMix (Yun et al. 2019, arXiv 1905.04899) along the grid of the tokens.
"""

import numpy as np
import torch
from torch import Tensor

from xmag_train.geometry import TOKENS


def collage(
    tiles: Tensor, targets: Tensor, *, probability: float, per_region: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """uint8 [N, 224, 224, 3] and float [N, 16, D] → the same shapes; each region is changed with ``probability``.

    The rectangle comes from the next region of the batch as it was; rows of one region get the same rectangle.
    """
    regions = len(tiles) // per_region
    foreign = torch.from_numpy(np.stack([draw_rectangle(probability, rng) for _ in range(regions)]))
    foreign = foreign.repeat_interleave(per_region, dim=0).to(tiles.device)
    block = tiles.shape[1] // TOKENS
    pixels = foreign.repeat_interleave(block, 1).repeat_interleave(block, 2)[..., None]
    tokens = foreign.flatten(1)[..., None].to(targets.device)
    next_tiles, next_targets = tiles.roll(-per_region, 0), targets.roll(-per_region, 0)
    return torch.where(pixels, next_tiles, tiles), torch.where(tokens, next_targets, targets)


def draw_rectangle(probability: float, rng: np.random.Generator) -> np.ndarray:
    """bool [4, 4], True inside; of 1 to 4 blocks a side, at most half of the region. All False without a collage."""
    inside = np.zeros((TOKENS, TOKENS), dtype=bool)
    if rng.random() < probability:
        sizes = [(h, w) for h in range(1, TOKENS + 1) for w in range(1, TOKENS + 1) if h * w <= TOKENS * TOKENS // 2]
        height, width = sizes[int(rng.integers(len(sizes)))]
        top, left = int(rng.integers(TOKENS - height + 1)), int(rng.integers(TOKENS - width + 1))
        inside[top : top + height, left : left + width] = True
    return inside

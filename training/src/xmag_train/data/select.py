"""Which of a slide's regions are kept: spread over the slide, and no two alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIGNATURE_PX = 16
DUPLICATE_CORRELATION = 0.97


def farthest_first(coords: NDArray[np.int64], seed: int = 0) -> list[int]:
    """Rows of coords [N, 2] in the order of farthest-point sampling (Gonzalez 1985), the first drawn by ``seed``.

    Every prefix is spread as widely as a greedy choice allows, so a cap is the length of a prefix.
    """
    if len(coords) == 0:
        return []
    points = coords.astype(np.float64)
    chosen = [int(np.random.default_rng(seed).integers(len(points)))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < len(points):
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        nearest[chosen[-1]] = -1.0
        chosen.append(int(nearest.argmax()))
    return chosen


def signature(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 [256] of length 1: the picture as 16×16 grey means, its own mean taken off. Flat pictures give zeros."""
    small = Image.fromarray(pixels).convert("L").resize((SIGNATURE_PX, SIGNATURE_PX), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float32).ravel()
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length > 0.0 else values


def is_duplicate(candidate: NDArray[np.float32], kept: Sequence[NDArray[np.float32]], correlation: float) -> bool:
    """Whether a kept signature correlates with the candidate by at least ``correlation``."""
    return any(float(candidate @ other) >= correlation for other in kept)

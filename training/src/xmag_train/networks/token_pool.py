"""From the student's 7×7 map to 4×4 tokens, one for each 20x teacher tile.

A teacher tile at 20x covers a quarter of the 5x tile's side, which is 7 / 4 = 1.75 cells of the map. Adaptive
pooling would round that to windows of 2 overlapping cells. Here every token is the mean over exactly its area; cells
on the border count by the share that lies inside.
"""

import torch
from torch import Tensor


def area_weights(cells: int = 7, tokens: int = 4) -> Tensor:
    """Matrix float32 [tokens, cells]: row i holds the share of each cell in token i; rows sum to 1."""
    width = cells / tokens
    start = torch.arange(tokens, dtype=torch.float64)[:, None] * width
    cell = torch.arange(cells, dtype=torch.float64)[None, :]
    overlap = torch.minimum(start + width, cell + 1) - torch.maximum(start, cell)
    return (overlap.clamp(min=0) / width).to(torch.float32)


def pooling_matrix(cells: int = 7, tokens: int = 4) -> Tensor:
    """Matrix float32 [cells², tokens²] that pools a flattened map (row-major) in one product: separable."""
    weights = area_weights(cells, tokens)
    return torch.kron(weights, weights).T.contiguous()

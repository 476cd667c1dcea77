"""Targets without what all tissue shares: the mean embedding, each channel's spread, the directions that vary most."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

How = Literal["none", "centre", "standardise", "half_whiten"]
_DIRECTIONS = 256


class Normaliser(NamedTuple):
    """``mean`` float32 [D], ``axes`` float32 [D, D]: (target − mean) @ axes."""

    mean: Tensor
    axes: Tensor

    def __call__(self, targets: Tensor) -> Tensor:
        """[..., D] → float32 [..., D]."""
        return (targets.float() - self.mean.to(targets.device)) @ self.axes.to(targets.device)


def fit_normaliser(targets: NDArray[np.floating], rows: Sequence[int], how: How) -> Normaliser:
    """From the regions ``rows`` (training cases only) of targets [regions, 16, D].

    ``half_whiten``: along the principal directions of the regions' means, the spread becomes its square root; of
    directions beyond the first 256 nothing is left.
    """
    dim = targets.shape[-1]
    if how == "none":
        return Normaliser(torch.zeros(dim), torch.eye(dim))
    known = torch.from_numpy(np.asarray(targets[np.sort(np.asarray(rows))], dtype=np.float32))
    tokens = known.reshape(-1, dim)
    mean = tokens.mean(dim=0)
    if how == "centre":
        return Normaliser(mean, torch.eye(dim))
    if how == "standardise":
        spread = tokens.std(dim=0)
        return Normaliser(mean, torch.diag(1 / spread.clamp(min=float(spread.mean()) * 0.1)))
    _, spread, axes = torch.linalg.svd((known.mean(dim=1) - mean).double(), full_matrices=False)
    kept = spread[:_DIRECTIONS] > spread[0] * 1e-6
    axes, spread = axes[:_DIRECTIONS][kept], spread[:_DIRECTIONS][kept] / spread[0]
    return Normaliser(mean, ((axes.T / spread.sqrt()) @ axes).float())

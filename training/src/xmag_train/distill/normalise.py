"""Targets without what all tissue shares: the mean embedding, and each channel's spread."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Normaliser(NamedTuple):
    """``mean`` and ``scale`` float32 [D]: (target − mean) / scale."""

    mean: Tensor
    scale: Tensor

    def __call__(self, targets: Tensor) -> Tensor:
        """[..., D] → float32 [..., D]."""
        return (targets.float() - self.mean.to(targets.device)) / self.scale.to(targets.device)


def fit_normaliser(
    targets: NDArray[np.floating], rows: Sequence[int], how: Literal["none", "centre", "standardise"]
) -> Normaliser:
    """From the regions ``rows`` (training cases only) of targets [regions, 16, D]."""
    dim = targets.shape[-1]
    mean, scale = torch.zeros(dim), torch.ones(dim)
    if how != "none":
        known = torch.from_numpy(np.asarray(targets[np.sort(np.asarray(rows))], dtype=np.float32)).reshape(-1, dim)
        mean = known.mean(dim=0)
        if how == "standardise":
            spread = known.std(dim=0)
            scale = spread.clamp(min=float(spread.mean()) * 0.1)
    return Normaliser(mean, scale)

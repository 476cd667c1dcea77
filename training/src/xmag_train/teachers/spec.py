"""What is known of a teacher before it is built."""

from dataclasses import dataclass
from typing import Literal

Pooling = Literal["map_mean", "cls", "cls_and_patch_mean"]


@dataclass(frozen=True)
class TeacherSpec:
    """Facts of a published encoder.

    ``dim``: of its embedding. ``tile_px`` at ``mpp`` µm/px: the tile it takes. ``mean`` and ``std``: of pixels scaled
    to 0..1, RGB. ``pooling``: how tokens become the embedding; ``map_mean`` is the mean of a convolutional map,
    ``cls`` the class token, ``cls_and_patch_mean`` that token followed by the mean of the patch tokens.
    ``gated``: the weights' owner must grant access. ``commercial``: whether the licence allows commercial use.
    """

    name: str
    dim: int
    tile_px: int
    mpp: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pooling: Pooling
    licence: str
    gated: bool
    commercial: bool
    source: str

    def notice(self) -> str | None:
        """What a user must read before using the weights; None where nothing restricts them."""
        conditions = []
        if self.gated:
            conditions.append("its weights are gated: ask their owner for access and accept the terms")
        if not self.commercial:
            conditions.append("its licence forbids commercial use, of what is distilled from it too unless allowed")
        if not conditions:
            return None
        return f"Teacher {self.name} ({self.licence}, {self.source}): {'; '.join(conditions)}."

"""What is known of a teacher before it is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Pooling = Literal["map_mean", "cls", "cls_and_patch_mean"]
Family = Literal["efficientnet_lite", "timm_vit", "transformers_dinov2"]


@dataclass(frozen=True)
class TeacherSpec:
    """Facts of a published encoder.

    ``dim``: of its embedding. ``tile_px`` at ``mpp`` µm/px: the tile it takes; it learnt from photographs where ``mpp``
    is None. ``mean`` and ``std``: of pixels scaled to 0..1, RGB. ``pooling``: how tokens become the embedding;
    ``map_mean`` is the mean of a convolutional map, ``cls`` the class token, ``cls_and_patch_mean`` that token followed
    by the mean of the patch tokens.
    ``gated``: the weights' owner must grant access. ``commercial``: whether the terms allow commercial use.
    ``family``, ``architecture``, ``arguments``: how it is built. ``source``: where its weights are, a hub repository
    unless the family says otherwise.
    """

    name: str
    family: Family
    dim: int
    tile_px: int
    mpp: float | None
    pooling: Pooling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    gated: bool
    commercial: bool
    source: str
    architecture: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    swiglu: bool = False

    def notice(self) -> str | None:
        """What a user must read before using the weights; None where nothing restricts them."""
        conditions = []
        if self.gated:
            conditions.append("the weights are gated, ask their owner for access and accept the terms")
        if not self.commercial:
            conditions.append("the terms forbid commercial use; read what they say of models distilled from it")
        if not conditions:
            return None
        return f"Teacher {self.name} ({self.licence}, {self.source}): {'; '.join(conditions)}."

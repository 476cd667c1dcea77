"""The student that ships: EfficientNet-Lite0, one pass per 5x tile, an embedding and 16 tokens."""

import torch
from torch import nn

from xmag_train.geometry import TILE_PX
from xmag_train.networks.backbones.efficientnet_lite import ALL_HIDDEN, EMBEDDING_DIM, LITE0, EfficientNetLite

__all__ = ["EMBEDDING_DIM", "Student", "embedding_dim_of", "parameter_count"]


class Student(EfficientNetLite):
    """``EfficientNetLite`` at width and depth 1. ``side_px``: the side that its convolutions see; ``left_out``: blocks
    that it does without; ``hidden_shares``: of the channels that a stage expands to.
    """

    def __init__(
        self, side_px: int = TILE_PX, left_out: tuple[int, ...] = (), hidden_shares: tuple[float, ...] = ALL_HIDDEN
    ) -> None:
        super().__init__(LITE0, side_px, left_out, hidden_shares)


def embedding_dim_of(student: nn.Module) -> int:
    """Width of a student's embedding; every student states it. TypeError for a network that does not."""
    dim = getattr(student, "embedding_dim", None)
    if not isinstance(dim, int):
        raise TypeError(f"{type(student).__name__} states no embedding_dim")
    return dim


def parameter_count(model: nn.Module) -> int:
    """Number of trained values."""
    return sum(torch.numel(p) for p in model.parameters())

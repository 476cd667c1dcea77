"""The teacher's embeddings of every region are computed once, where the teacher lies."""

from pathlib import Path

import numpy as np
import torch
from test_shards import region
from torch import nn

from xmag_train.distill.targets import cached_targets
from xmag_train.distill.views import AugmentConfig


class Brightness(nn.Module):
    """uint8 [N, 224, 224, 3] → float32 [N, 1]; keeps where its tiles lay, which need not hold pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[str] = []

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        self.given.append(tiles.device.type)
        if tiles.is_meta:
            return torch.zeros(len(tiles), 1)
        return tiles.float().mean(dim=(1, 2, 3))[:, None]


def targets(root: Path, teacher: nn.Module, device: str) -> np.ndarray:
    regions = [region(number) for number in range(2)]
    (plain,) = cached_targets(
        root / "t", regions, teacher, dim=1, views=1, config=AugmentConfig(), device=torch.device(device)
    )
    return plain


def test_the_teacher_is_given_tiles_where_it_lies(tmp_path: Path) -> None:
    teacher = Brightness()
    targets(tmp_path, teacher, "meta")  # stands for a GPU
    assert teacher.given == ["meta", "meta"]


def test_what_is_there_is_not_computed_again(tmp_path: Path) -> None:
    first = targets(tmp_path, Brightness(), "cpu")
    again = Brightness()
    np.testing.assert_array_equal(targets(tmp_path, again, "cpu"), first)
    assert first.shape == (2, 16, 1) and again.given == []

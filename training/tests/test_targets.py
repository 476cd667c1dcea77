"""The teacher's embeddings of every region are computed once, where the teacher lies; the 5x tiles are read once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_shards import region
from torch import nn

from xmag_train.data.shards import Region, write_shards
from xmag_train.distill.targets.cache import cached_targets
from xmag_train.distill.views.tiles import cached_tiles
from xmag_train.distill.views.view import AugmentConfig
from xmag_train.mil import encode
from xmag_train.mil.bags import read_bag
from xmag_train.mil.bags_command import BagsConfig, make_bags


class Brightness(nn.Module):
    """uint8 [N, 224, 224, 3] → float32 [N, 1]; keeps where its tiles lay, which need not hold pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = SimpleNamespace(dim=1)
        self.given: list[str] = []

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        self.given.append(tiles.device.type)
        if tiles.is_meta:
            return torch.zeros(len(tiles), 1)
        return tiles.float().mean(dim=(1, 2, 3))[:, None]


@dataclass(frozen=True)
class Watched(Region):
    """A region whose pixels are given as soon as ``may_go``; ``asked`` is set before."""

    asked: threading.Event
    may_go: threading.Event

    def pixels(self) -> np.ndarray:
        self.asked.set()
        assert self.may_go.wait(timeout=60)
        return super().pixels()


def watched(*, may_go: bool) -> list[Watched]:
    """The same two regions at every call, held back or not."""
    gate = threading.Event()
    if may_go:
        gate.set()
    return [Watched(plain.jpeg, plain.meta, threading.Event(), gate) for plain in (region(0), region(1))]


def targets(root: Path, teacher: nn.Module, device: str, regions: list[Region] | None = None) -> np.ndarray:
    regions = regions or [region(number) for number in range(2)]
    (plain,) = cached_targets(
        root / "t", regions, teacher, dim=1, views=1, config=AugmentConfig(), device=torch.device(device)
    )
    return plain


def test_the_teacher_is_given_tiles_where_it_lies(tmp_path: Path) -> None:
    teacher = Brightness()
    targets(tmp_path, teacher, "meta")  # stands for a GPU
    assert teacher.given == ["meta", "meta"]


def test_bags_for_want_of_a_cache_are_made_on_the_device_asked_for_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = Brightness()
    monkeypatch.setattr(encode, "build_teacher", lambda *_: teacher)
    write_shards([region(0), region(1)], tmp_path / "shards", "tiny")
    encoder = encode.EncoderConfig(kind="teacher", name="efficientnet_lite2")
    place = {"shards": tmp_path / "shards", "out": tmp_path / "bags", "cache": tmp_path / "cache"}
    assert make_bags(BagsConfig(**place, encoder=encoder, device="meta")) == 1
    assert teacher.given == ["meta", "meta"]
    assert "0 of 2 regions of view 0 are there" in capsys.readouterr().err


def test_a_bag_of_other_regions_of_the_slide_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "build_teacher", lambda *_: Brightness())
    monkeypatch.setattr(encode, "fast_on_cpu", lambda network, _: network)
    place = {"shards": tmp_path / "shards", "out": tmp_path / "bags"}
    config = BagsConfig(**place, encoder=encode.EncoderConfig(kind="teacher", name="efficientnet_lite2"))
    for numbers, made in (((0, 2), 1), ((0, 2), 0), ((0, 4), 1)):
        write_shards([region(number) for number in numbers], tmp_path / "shards", "tiny")
        assert make_bags(config) == made
    assert read_bag(tmp_path / "bags" / "A.1.h5").coords.tolist() == [[0, 0], [4, 0]]


def test_what_is_there_is_not_computed_again(tmp_path: Path) -> None:
    first = targets(tmp_path, Brightness(), "cpu")
    again = Brightness()
    np.testing.assert_array_equal(targets(tmp_path, again, "cpu"), first)
    assert first.shape == (2, 16, 1) and again.given == []


@pytest.mark.parametrize(
    "fill",
    [
        pytest.param(cached_tiles, id="tiles"),
        pytest.param(lambda root, regions: targets(root, Brightness(), "cpu", regions), id="targets"),
    ],
)
def test_of_two_runs_that_start_together_one_fills_the_cache(
    tmp_path: Path, fill: Callable[[Path, list[Watched]], np.ndarray]
) -> None:
    alone = fill(tmp_path / "alone", watched(may_go=True))
    first, second = watched(may_go=False), watched(may_go=True)
    with ThreadPoolExecutor(2) as pool:
        filling = pool.submit(fill, tmp_path / "shared", first)
        assert first[0].asked.wait(timeout=60)
        waiting = pool.submit(fill, tmp_path / "shared", second)
        assert not second[0].asked.wait(timeout=0.5)
        first[0].may_go.set()
        for done in (filling, waiting):
            np.testing.assert_array_equal(done.result(), alone)
    assert not second[0].asked.is_set()

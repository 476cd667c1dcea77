"""A whole slide in the service's ways of reading: the level that is too coarse by 5 % is taken only when it may be."""

from pathlib import Path

import numpy as np
import pytest

for module in ("torch", "openslide"):
    pytest.importorskip(module, reason=f"{module} is not installed: see training/README.md")

import torch
from slide_painter import load_painter
from torch import nn

from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan
from xmag_train.distill.check.slide_readings import slide_cosines, slide_readings
from xmag_train.export.config import SlideReadingConfig
from xmag_train.export.measure.reading import lowest
from xmag_train.export.measure.reading import slide_cosines as by_way
from xmag_train.networks.students.checkpoint import save_student
from xmag_train.networks.students.registry import build_student


@pytest.fixture(scope="module")
def slides(tmp_path_factory) -> Path:
    """20x scans of 0.526 µm/px (4x level at 2.104) and 0.5 (at 2.0), one of 40x (at 1.05), and a file that is none."""
    painter = load_painter()
    folder = tmp_path_factory.mktemp("slides")
    rng = np.random.default_rng(0)
    pixels = np.full((2048, 2048, 3), 244, np.uint8)
    texture = np.kron(rng.normal(size=(128, 128)), np.ones((8, 8)))[..., None] * 25
    pixels[512:1536, 512:1536] = (np.array([170, 90, 160]) + texture).clip(0, 255).astype(np.uint8)
    painter.write_svs(folder / "coarse.svs", pixels, mpp=0.526)
    painter.write_svs(folder / "exact.svs", pixels, mpp=0.5)
    painter.write_svs(folder / "fine.svs", pixels, mpp=0.263)
    (folder / "none.svs").write_bytes(b"II*\0not a slide")
    return folder


class Means(nn.Module):
    """An embedding that can be told by hand: the mean colours of 8×8 blocks."""

    def forward(self, tiles: torch.Tensor) -> tuple[torch.Tensor, None]:
        return tiles.float().reshape(len(tiles), 28, 8, 28, 8, 3).mean(dim=(2, 4)).flatten(1), None


def test_a_way_is_one_of_its_own_only_where_it_reads_something_else(slides: Path) -> None:
    reader = SlideReader()
    try:
        coarse = slide_readings(slides / "coarse.svs", reader, ReadingPlan())
        exact = slide_readings(slides / "exact.svs", reader, ReadingPlan())
        fine = slide_readings(slides / "fine.svs", reader, ReadingPlan())
    finally:
        reader.close()
    assert set(coarse) == {"lanczos", "box", "coarse_level"}
    assert set(exact) == {"lanczos", "box"}
    assert set(fine) == {"lanczos", "box", "dct"}
    assert 0.05 < np.abs(fine["dct"].astype(int) - fine["lanczos"]).mean() < 6
    assert len({tiles.shape for tiles in coarse.values()}) == 1
    differences = {way: np.abs(tiles.astype(int) - coarse["lanczos"]).mean() for way, tiles in coarse.items()}
    assert differences["lanczos"] == 0
    assert 0.05 < differences["box"] < 6
    assert 0.05 < differences["coarse_level"] < 6


def test_cosines_of_each_slide_that_can_be_read(slides: Path, capsys) -> None:
    found = slide_cosines(Means(), slides)
    assert set(found) == {"coarse.svs", "exact.svs", "fine.svs"}
    assert set(found["coarse.svs"]) == {"box", "coarse_level"}
    assert set(found["fine.svs"]) == {"box", "dct"}
    print(found)
    assert all(0.99 < value <= 1.000001 for ways in found.values() for value in ways.values())
    assert "none.svs" in capsys.readouterr().err


def test_of_slides_and_regions_the_lowest_figure_counts(slides: Path, tmp_path: Path) -> None:
    student = build_student("efficientnet_lite0", "random").eval()
    save_student(tmp_path / "student.pt", "efficientnet_lite0", student.state_dict(), {}, "0" * 64)
    both = [
        SlideReadingConfig(slide=slides / name, student=tmp_path / "student.pt") for name in ("coarse.svs", "exact.svs")
    ]
    found = by_way(both)
    assert {way: set(of_slides) for way, of_slides in found.items()} == {
        "box": {"coarse.svs", "exact.svs"},
        "coarse_level": {"coarse.svs"},
    }
    higher = {"coarse_level": {"region": 1.0}, "dct": {"region": 0.99567}}
    told = lowest(higher, found)
    assert told["box"] == pytest.approx(min(found["box"].values()), abs=1e-4)
    assert told["coarse_level"] == pytest.approx(found["coarse_level"]["coarse.svs"], abs=1e-4)
    assert told["dct"] == 0.9956  # never rounded up
    assert lowest({"coarse_level": {"region": 0.5, "other": 0.9}}, found)["coarse_level"] == 0.5  # nor replaced

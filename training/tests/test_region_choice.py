"""Farthest-point sampling, near-duplicates, and a bad slide that stops nothing."""

from pathlib import Path

import numpy as np
import pytest
from slide_painter import load_painter

from xmag_train.data.config import CurateConfig
from xmag_train.data.curate import REPORT_FILE, curate
from xmag_train.data.select import farthest_first, is_duplicate, signature
from xmag_train.data.shards import REGION_MPP, REGION_PX

SIDE_PX = 2 * REGION_PX


def test_the_second_point_is_the_farthest_and_the_third_lies_between() -> None:
    coords = np.array([[0, 0], [1, 0], [50, 0], [100, 0]], dtype=np.int64)
    order = farthest_first(coords, seed=0)
    assert sorted(order) == [0, 1, 2, 3]
    first = coords[order[0], 0]
    assert coords[order[1], 0] == (0 if first >= 50 else 100)
    assert farthest_first(np.zeros((0, 2), dtype=np.int64)) == []


def test_points_on_one_spot_are_each_named_once() -> None:
    assert sorted(farthest_first(np.zeros((4, 2), dtype=np.int64))) == [0, 1, 2, 3]


def test_a_brighter_copy_is_a_duplicate_and_another_picture_is_not() -> None:
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(60, 160, (14, 14, 1)), np.ones((64, 64, 3))).astype(np.uint8)
    other = np.kron(rng.integers(60, 160, (14, 14, 1)), np.ones((64, 64, 3))).astype(np.uint8)
    kept = [signature(picture)]
    assert is_duplicate(signature(picture + 40), kept, 0.97)
    assert not is_duplicate(signature(other), kept, 0.97)


def test_bad_slides_are_reported_skipped_and_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "bad.svs").write_text("no slide")
    header = "path\tslide\tcase\tsite\torgan\tlabel\tstain\tscanner"
    rows = [f"{name}\t{name}\tc\ts\tliver\tl\tH&E\tA" for name in ("bad.svs", "missing.svs")]
    (tmp_path / "slides.tsv").write_text("\n".join([header, *rows]) + "\n")
    config = CurateConfig(slides=tmp_path / "slides.tsv")
    outcomes = curate(config, tmp_path / "out")
    assert [outcome.regions for outcome in outcomes] == [0, 0]
    assert all(outcome.error for outcome in outcomes)
    before = (tmp_path / "out" / REPORT_FILE).read_bytes()
    (tmp_path / "bad.svs").unlink()  # read again, its error would be another
    assert curate(config, tmp_path / "out") == outcomes
    assert (tmp_path / "out" / REPORT_FILE).read_bytes() == before


def test_a_resumed_run_that_ends_before_its_first_new_slide_forgets_none(tmp_path: Path) -> None:
    painter = load_painter()
    pixels = painter.he_like(SIDE_PX, SIDE_PX, REGION_MPP, [(0.0, 0.0, 1.0, 1.0)])
    header = "path\tslide\tcase\tsite\torgan\tlabel\tstain\tscanner"
    for name in ("a", "b"):
        painter.write_svs(tmp_path / f"{name}.svs", pixels, mpp=REGION_MPP, appmag=20, levels=(1, 4))
    rows = [f"{name}.svs\t{name}\t{name}\ts\tliver\tl\tH&E\tA" for name in ("a", "b")]
    (tmp_path / "slides.tsv").write_text("\n".join([header, *rows]) + "\n")
    config, out = CurateConfig(slides=tmp_path / "slides.tsv", per_slide=1), tmp_path / "out"
    assert [outcome.regions for outcome in curate(config, out)] == [1, 1]
    before = (out / REPORT_FILE).read_bytes()
    (out / f"{config.name}-000001.tar").unlink()  # where the second start breaks off
    with pytest.raises(FileNotFoundError):
        curate(config, out)
    assert (out / REPORT_FILE).read_bytes() == before


def test_a_folder_begun_with_another_config_or_order_is_refused(tmp_path: Path) -> None:
    header = "path\tslide\tcase\tsite\torgan\tlabel\tstain\tscanner"

    def table(*names: str) -> CurateConfig:
        rows = [f"{name}.svs\t{name}\tc\ts\tliver\tl\tH&E\tA" for name in names]
        (tmp_path / "slides.tsv").write_text("\n".join([header, *rows]) + "\n")
        return CurateConfig(slides=tmp_path / "slides.tsv")

    curate(table("one"), tmp_path / "out")
    with pytest.raises(ValueError, match=r"cut by another config \(per_slide 500, now 9\): choose another"):
        curate(table("one").model_copy(update={"per_slide": 9}), tmp_path / "out")
    with pytest.raises(ValueError, match="must stay first"):
        curate(table("new", "one"), tmp_path / "out")
    assert [outcome.slide for outcome in curate(table("one", "new"), tmp_path / "out")] == ["one", "new"]

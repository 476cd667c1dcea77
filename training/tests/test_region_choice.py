"""Farthest-point sampling, near-duplicates, and a bad slide that stops nothing."""

from pathlib import Path

import numpy as np
import pytest
from slide_painter import load_painter

from xmag_train.data.config import CurateConfig
from xmag_train.data.curate import REPORT_FILE, curate, read_slides
from xmag_train.data.select import farthest_first, is_duplicate, signature
from xmag_train.data.shards import read_shards
from xmag_train.geometry import REGION_MPP, REGION_PX

SIDE_PX = 2 * REGION_PX
HEADER = "path\tslide\tcase\tsite\torgan\tlabel\tstain\tscanner"


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


def write_slide(path: Path, mpp: float | None = REGION_MPP) -> None:
    painter = load_painter()
    pixels = painter.he_like(SIDE_PX, SIDE_PX, REGION_MPP, [(0.0, 0.0, 1.0, 1.0)])
    painter.write_svs(path, pixels, mpp=mpp, appmag=None if mpp is None else 20, levels=(1, 4))


def test_a_slide_that_failed_is_reported_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "bad.svs").write_text("no slide")
    write_slide(tmp_path / "good.svs")
    rows = [f"{name}\t{name}\t{name}\ts\tliver\tl\tH&E\tA" for name in ("bad.svs", "missing.svs", "good.svs")]
    (tmp_path / "slides.tsv").write_text("\n".join([HEADER, *rows]) + "\n")
    config, out = CurateConfig(slides=tmp_path / "slides.tsv", per_slide=1), tmp_path / "out"
    outcomes = curate(config, out)
    assert [outcome.regions for outcome in outcomes] == [0, 0, 1]
    assert outcomes[0].error and outcomes[1].error
    report = (out / REPORT_FILE).read_text().splitlines()
    write_slide(tmp_path / "bad.svs")
    assert [outcome.regions for outcome in curate(config, out)] == [1, 0, 1]
    assert (out / REPORT_FILE).read_text().splitlines()[1:] == report[1:]
    assert len(list(out.glob("*.tar"))) == 2


def test_what_the_table_corrects_is_corrected_in_the_shard_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_slide(tmp_path / "a.svs")
    table, out = tmp_path / "slides.tsv", tmp_path / "out"
    table.write_text(f"{HEADER}\na.svs\ta\tP 001\ts\tliver\tl\tH&E\tA\n")
    config = CurateConfig(slides=table, per_slide=1)
    curate(config, out)
    (before,) = read_shards(sorted(out.glob("*.tar")))
    table.write_text(table.read_text().replace("P 001", "P 002"))
    (tmp_path / "a.svs").unlink()  # it is not read again
    assert [outcome.regions for outcome in curate(config, out)] == [1]
    (found,) = read_shards(sorted(out.glob("*.tar")))
    assert found.meta == before.meta.model_copy(update={"case": "P 002"}) and found.jpeg == before.jpeg
    assert "a: corrected in its shard (case 'P 001', now 'P 002')" in capsys.readouterr().err
    curate(config, out)
    assert "corrected" not in capsys.readouterr().err


def test_a_slide_that_does_not_say_its_resolution_has_it_from_the_table(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.svs", mpp=None)
    table, out = tmp_path / "slides.tsv", tmp_path / "out"
    row = "a.svs\ta\tc\ts\tliver\tl\tH&E\tA"
    table.write_text(f"{HEADER}\n{row}\n")
    config = CurateConfig(slides=table, per_slide=1)
    (outcome,) = curate(config, out)
    assert outcome.error is not None and "as mpp" in outcome.error
    table.write_text(f"{HEADER}\tmpp\n{row}\t{REGION_MPP}\n")
    assert [outcome.regions for outcome in curate(config, out)] == [1]
    table.write_text(f"{HEADER}\tmpp\n{row}\t0.25\n")
    with pytest.raises(ValueError, match=r"a was cut at 0\.5 µm/px, the table says 0\.25"):
        curate(config, out)
    table.write_text(f"{HEADER}\tmpp\n{row}\t0,25\n")
    with pytest.raises(ValueError, match="the mpp of a is '0,25', no number"):
        curate(config, out)


def test_the_table_of_slides_is_read_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    table = tmp_path / "slides.tsv"
    table.write_text(f"{HEADER}\r\na.svs\ta\tP 001 \ts\tliver\tl\tH&E\tA\r\n{7 * chr(9)}\r\n", encoding="utf-8-sig")
    (slide,) = read_slides(table)
    assert (slide.path, slide.facts.slide, slide.facts.case) == (tmp_path / "a.svs", "a", "P 001")
    table.write_text(f"{HEADER}\na.svs\ta\t \ts\tliver\tl\tH&E\tA\n")
    with pytest.raises(ValueError, match=r"slides\.tsv, line 2: the case is empty"):
        read_slides(table)


def test_a_resumed_run_that_ends_before_its_first_new_slide_forgets_none(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_slide(tmp_path / f"{name}.svs")
    rows = [f"{name}.svs\t{name}\t{name}\ts\tliver\tl\tH&E\tA" for name in ("a", "b")]
    (tmp_path / "slides.tsv").write_text("\n".join([HEADER, *rows]) + "\n")
    config, out = CurateConfig(slides=tmp_path / "slides.tsv", per_slide=1), tmp_path / "out"
    assert [outcome.regions for outcome in curate(config, out)] == [1, 1]
    before = (out / REPORT_FILE).read_bytes()
    (out / f"{config.name}-000001.tar").unlink()  # where the second start breaks off
    with pytest.raises(FileNotFoundError):
        curate(config, out)
    assert (out / REPORT_FILE).read_bytes() == before


def test_a_folder_begun_with_another_config_or_order_is_refused(tmp_path: Path) -> None:
    def table(*names: str) -> CurateConfig:
        rows = [f"{name}.svs\t{name}\tc\ts\tliver\tl\tH&E\tA" for name in names]
        (tmp_path / "slides.tsv").write_text("\n".join([HEADER, *rows]) + "\n")
        return CurateConfig(slides=tmp_path / "slides.tsv")

    curate(table("one"), tmp_path / "out")
    with pytest.raises(ValueError, match=r"cut by another config \(per_slide 500, now 9\): choose another"):
        curate(table("one").model_copy(update={"per_slide": 9}), tmp_path / "out")
    with pytest.raises(ValueError, match="must stay first"):
        curate(table("new", "one"), tmp_path / "out")
    assert [outcome.slide for outcome in curate(table("one", "new"), tmp_path / "out")] == ["one", "new"]

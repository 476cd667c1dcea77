"""What an export measures it measures on held-out tiles, says which they were, and by a student that never saw them."""

from pathlib import Path

import pytest
from test_shards import region

from xmag_train.data.cohort.table import fold_of_cases, write_rows
from xmag_train.data.shards import Region, regions_sha256, write_shards
from xmag_train.export.config import ExportConfig, SlideReadingConfig
from xmag_train.export.measure.seen import never_saw, refuse_one_that_saw
from xmag_train.export.measure.tiles import Split, TileSet, split_regions, spread
from xmag_train.networks.students.checkpoint import save_student

TRAINING = Path(__file__).resolve().parents[1]


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Eight regions of two cases, one of each fold."""
    write_shards([region(number) for number in range(8)], tmp_path / "shards", "tiny")
    write_rows(tmp_path / "folds.csv", ["case", "fold"], [("case0", 0), ("case1", 1)])
    return split_regions(tmp_path / "shards", tmp_path / "folds.csv", 1)


def test_the_record_says_which_tiles_were_held_out(split: Split) -> None:
    held_out = TileSet(spread(split.inside, 3))
    which = held_out.which()
    assert (which["tiles"], which["slides"], which["cases"]) == (3, 1, ["case1"])
    assert which["keys"] == ["A-1_1_0", "A-1_3_0", "A-1_5_0"]
    assert which["sha256"] == regions_sha256(held_out.regions) != regions_sha256(split.inside)
    assert {one.meta.case for one in split.outside} == {"case0"}


def checkpoint(path: Path, regions: tuple[Region, ...], **config: object) -> Path:
    save_student(path, "efficientnet_lite0", {}, config, regions_sha256(regions))
    return path


def test_a_whole_slide_is_unseen_only_by_a_student_that_left_its_case_out(split: Split, tmp_path: Path) -> None:
    everything = (*split.inside, *split.outside)
    for told, learnt, about, wanted in (
        ({"leave_out_fold": 1, "leave_out_cases": []}, split.outside, {"case": "case1"}, True),
        ({"leave_out_fold": 1, "leave_out_cases": []}, split.outside, {"case": "case0"}, False),
        ({"leave_out_fold": 1, "leave_out_cases": []}, split.outside, {"in_no_fold": True}, True),
        ({"leave_out_fold": 1, "leave_out_cases": []}, split.outside, {}, False),
        ({"leave_out_fold": 1, "leave_out_cases": []}, everything, {"case": "case1"}, False),  # of other folds
        ({"leave_out_fold": None, "leave_out_cases": ["case1"]}, split.outside, {"case": "case1"}, True),
        ({"leave_out_fold": None, "leave_out_cases": []}, everything, {"case": "case1"}, False),
        ({"task": "grade"}, split.outside, {"case": "case1"}, False),
    ):
        student = checkpoint(tmp_path / "student.pt", learnt, **told)
        entry = SlideReadingConfig(slide=Path("a.svs"), student=student, **about)
        assert never_saw(entry, split, tmp_path / "folds.csv") is wanted, (told, about)
    with pytest.raises(ValueError, match=r"folds\.csv has no fold for \['case-1'\]"):
        never_saw(entry.model_copy(update={"case": "case-1"}), split, tmp_path / "folds.csv")


def test_each_whole_slide_of_the_atlas_is_read_by_its_own_folds_student() -> None:
    config = ExportConfig.read(TRAINING / "configs" / "atlas" / "export.yaml")
    fold_of = fold_of_cases(TRAINING.parent / config.folds)
    for entry in config.reading_slides:
        assert entry.in_no_fold or entry.student.parent.name == str(fold_of[str(entry.case)])


def test_a_student_that_saw_the_held_out_cases_does_not_measure(split: Split, tmp_path: Path) -> None:
    everything = (*split.inside, *split.outside)
    distilled = {"leave_out_fold": 1, "leave_out_cases": []}
    refuse_one_that_saw(checkpoint(tmp_path / "own.pt", split.outside, **distilled), split, 1)
    refuse_one_that_saw(checkpoint(tmp_path / "tuned.pt", split.outside[:2], task="grade"), split, 1)
    refuse_one_that_saw(
        checkpoint(tmp_path / "fewer.pt", split.outside[:2], **{**distilled, "leave_out_cases": ["x"]}), split, 1
    )
    for name, regions, config in (
        ("refit.pt", everything, {"leave_out_fold": None, "leave_out_cases": []}),
        ("tuned-refit.pt", everything, {"task": "grade"}),
        ("other-fold.pt", split.inside, {"leave_out_fold": 0, "leave_out_cases": []}),
    ):
        with pytest.raises(ValueError, match="did not learn from just the regions outside fold 1"):
            refuse_one_that_saw(checkpoint(tmp_path / name, regions, **config), split, 1)

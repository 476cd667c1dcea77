"""Drift of a sample's score from the whole bag's, against the corpus's bags and against whole slides."""

from pathlib import Path

import numpy as np
import pytest
from cohort_maker import LABELS, make_bags, make_cohort, mil_task

from xmag_train.data.cohort.table import read_cohort, read_folds
from xmag_train.embed.bag import SlideBag, write_slide_bag
from xmag_train.evaluate.arms import arm_config
from xmag_train.evaluate.config import MilTask, WholeSlides
from xmag_train.evaluate.drift import Judged, corpus_bags, drift, whole_bags
from xmag_train.evaluate.report import drift_table
from xmag_train.mil.command import train_mil

EXTENT = {"level0_width": 9000, "level0_height": 8000, "name": "", "savetodir": ""}


def task_of(root: Path, bags: str, **more: object) -> MilTask:
    fit = {"hidden": 4, "learning_rate": 0.03, "epochs": 3}
    arms = {"teacher": {"name": "t", "bags": bags}, "student": {"name": "s", "bags": bags}}
    return MilTask.model_validate(mil_task(root, fit=fit, **arms, sampled_tiles=[2, 10], **more))


def write_whole(path: Path, tiles: int, encoder: str) -> None:
    """As `embed` writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(tiles)
    features, coords = rng.normal(size=(tiles, 8)).astype(np.float32), np.zeros((tiles, 2), np.int64)
    whole = SlideBag(features, coords, np.ones(tiles, np.float32), dict(EXTENT))
    write_slide_bag(path, whole, {"encoder": encoder, "encoder_sha256": encoder})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Heads of three folds on bags of six tiles."""
    task = task_of(tmp_path, make_bags(tmp_path, "student", make_cohort(tmp_path), 9.0))
    train_mil(arm_config(task, task.student.bags, task.folds_csv, tmp_path / "run"))
    return tmp_path / "run"


def test_either_whole_has_rows_of_its_own(tmp_path: Path, run: Path) -> None:
    cohort = read_cohort(tmp_path / "labels.csv", "grade", LABELS)
    folds = read_folds(tmp_path / "folds.csv", cohort)
    for name, tiles in (("c2-slide", 30), ("elsewhere", 40)):
        write_whole(tmp_path / "whole" / f"{name}.h5", tiles, "student")
    named = WholeSlides(bags=str(tmp_path / "whole"), cases={"c2-slide": "c2", "elsewhere": None})
    wholes = whole_bags(named, cohort, tmp_path / "folds.csv")
    assert [judged.fold for judged in wholes] == [folds["c2"], 0]
    task = task_of(tmp_path, str(tmp_path / "student"), whole_slides=named)
    rows = drift(task, corpus_bags(task.student.bags, cohort, folds) + wholes, run)
    assert [(row.whole, row.tiles, row.bags, row.whole_tiles) for row in rows] == [
        ("corpus bag", 2, len(cohort.rows), 6.0),  # none is larger than 10
        ("whole slide", 2, 2, 35.0),
        ("whole slide", 10, 2, 35.0),
    ]
    assert 0.0 < rows[2].logit_median < rows[1].logit_median  # a larger sample is nearer
    assert "| whole slide (median 35 tiles) | 10 | 2 |" in drift_table(rows)


def test_a_cohort_of_whole_slides_is_called_so(tmp_path: Path, run: Path) -> None:
    cohort = read_cohort(tmp_path / "labels.csv", "grade", LABELS)
    for row in cohort.rows:
        write_whole(tmp_path / "cohort" / f"{row.slide}.h5", 12, "student")
    task = task_of(tmp_path, str(tmp_path / "cohort"))
    bags = corpus_bags(task.student.bags, cohort, read_folds(tmp_path / "folds.csv", cohort))
    assert {row.whole for row in drift(task, bags, run)} == {"whole slide"}
    named = WholeSlides(bags=str(tmp_path / "cohort"))  # without cases: the task's slides, by name
    assert {judged.path for judged in whole_bags(named, cohort, tmp_path / "folds.csv")} == {
        judged.path for judged in bags
    }


def test_what_is_no_whole_slide_of_that_encoder_is_refused(tmp_path: Path, run: Path) -> None:
    cohort = read_cohort(tmp_path / "labels.csv", "grade", LABELS)
    slide, case = cohort.rows[0].slide, cohort.rows[0].case
    regions = WholeSlides(bags=str(tmp_path / "student"), cases={slide: case})
    with pytest.raises(ValueError, match="does not say that it holds a whole slide"):
        whole_bags(regions, cohort, tmp_path / "folds.csv")
    with pytest.raises(ValueError, match=r"folds\.csv has no fold for \['c-2'\]"):
        whole_bags(WholeSlides(bags=str(tmp_path), cases={slide: "c-2"}), cohort, tmp_path / "folds.csv")
    with pytest.raises(FileNotFoundError, match="1 bags of whole slides are missing"):
        whole_bags(WholeSlides(bags=str(tmp_path), cases={"none": case}), cohort, tmp_path / "folds.csv")
    write_whole(tmp_path / "alien.h5", 12, "another")
    task = task_of(tmp_path, str(tmp_path / "student"))
    with pytest.raises(ValueError, match=r"another encoder than what head-0\.pt learnt from"):
        drift(task, [Judged(tmp_path / "alien.h5", 0, named=True)], run)

"""Whether all that a report reads is there: looked at before anything is trained, since that may take hours."""

from pathlib import Path

from xmag_train.data.cohort.table import read_cohort, read_folds
from xmag_train.evaluate.config import MilTask
from xmag_train.evaluate.drift import whole_bags
from xmag_train.evaluate.scanner import read_pairs
from xmag_train.evaluate.sites import site_bags, site_folds
from xmag_train.evaluate.unseen import check_folds
from xmag_train.mil.bags import check_bags

RUN_FILES = ("oof.csv", "metrics.json")


def check_task(task: MilTask, out: Path) -> None:
    """FileNotFoundError names bags or a run that are missing, but for what is optional. ``out``: the task's folder.

    ValueError for a fold in ``chosen_on``, a pair of scanners or a whole slide that cannot be judged.
    """
    check_folds(task.chosen_on, task.folds_csv)
    cohort = read_cohort(task.labels_csv, task.task, task.labels)
    folds = read_folds(task.folds_csv, cohort)
    slides = [row.slide for row in cohort.rows]
    sites = site_folds(cohort, out / "sites.csv")
    for arm in task.arms_there():
        if arm.bags is not None:
            check_bags(arm.bags, folds.values(), slides)
        elif missing := [name for name in RUN_FILES if not (Path(arm.source()) / name).is_file()]:
            raise FileNotFoundError(
                f"{arm.source()}, the run of the arm {arm.name!r}, has no {' and no '.join(missing)}: run it first"
            )
        others = site_bags(arm)
        if task.leave_one_site_out and sites.unusable is None and others is not None:
            check_bags(others, range(len(sites.names)), slides)
    if task.scanner_pairs is not None:
        pairs = read_pairs(task.scanner_pairs, task.labels_csv, task.folds_csv)
        both = [slide for pair in pairs for slide in (pair.slide_a, pair.slide_b)]
        for pattern in (arm.bags for arm in task.arms_there() if arm.bags is not None):
            check_bags(pattern, [pair.fold for pair in pairs], both)
    wholes = task.whole_slides
    if wholes is not None and (wholes.is_there() or not wholes.optional):
        whole_bags(wholes, cohort, task.folds_csv)

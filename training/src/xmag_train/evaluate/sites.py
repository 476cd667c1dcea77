"""Leave one site out: heads judge the cases of a site that taught them nothing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xmag_train.data.cohort.table import Cohort, read_folds, write_rows
from xmag_train.evaluate.arms import arm_config, folder_name, read_oof
from xmag_train.evaluate.config import Arm, MilTask
from xmag_train.mil.command import train_mil


@dataclass(frozen=True)
class SiteFolds:
    """``names``: site of each fold number; ``unusable``: why there can be no such figure, or None."""

    names: tuple[str, ...]
    path: Path
    unusable: str | None


def site_folds(cohort: Cohort, path: Path) -> SiteFolds:
    """Write folds.csv in which a fold is a site.

    Unusable: one site only, or a rest with fewer than two cases of a class, which inner folds need.
    """
    names = tuple(sorted({row.site for row in cohort.rows}))
    of_case = {row.case: row.site for row in cohort.rows}
    if len(names) < 2:
        return SiteFolds(names, path, "all cases are of one site")
    if any(of_case[row.case] != row.site for row in cohort.rows):
        return SiteFolds(names, path, "a case has slides of two sites")
    for name in names:
        for index, label in enumerate(cohort.labels):
            left = {row.case for row in cohort.rows if row.site != name and row.label == index}
            if len(left) < 2:
                why = f"without site {name} the cases of {label} left to learn from are {len(left)}, and two are needed"
                return SiteFolds(names, path, why)
    write_rows(path, ["case", "fold"], [(case, names.index(site)) for case, site in of_case.items()])
    return SiteFolds(names, path, None)


def site_bags(arm: Arm) -> str | None:
    """Those of encoders that never saw the site that is left out; None where the arm has none."""
    if arm.site_bags is None and arm.bags is not None and "{fold}" not in arm.bags:
        return arm.bags
    return arm.site_bags


def site_logits(task: MilTask, arm: Arm, cohort: Cohort, sites: SiteFolds, out: Path) -> np.ndarray | None:
    """float64 [n, C], or None where the arm's encoder may have seen the site that is left out."""
    bags = site_bags(arm)
    if bags is None:
        return None
    folder = out / f"sites-{folder_name(arm)}"
    train_mil(arm_config(task, bags, sites.path, folder))
    return read_oof(folder / "oof.csv", cohort, read_folds(sites.path, cohort))

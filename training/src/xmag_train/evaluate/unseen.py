"""Which student never saw a slide: told by the whole tables, slides without a label of the task included."""

from collections.abc import Iterable
from pathlib import Path

from xmag_train.data.cohort.table import fold_of_cases, read_rows
from xmag_train.evaluate.config import Arm


def case_of_slides(labels_csv: Path) -> dict[str, str]:
    """Slide → case, of every row of labels.csv."""
    return {row["slide"]: row["case"] for row in read_rows(labels_csv, ["slide", "case"])}


def check_folds(chosen_on: Iterable[int], folds_csv: Path) -> None:
    """ValueError for a fold that folds.csv has not."""
    known = set(fold_of_cases(folds_csv).values())
    unknown = sorted(set(chosen_on) - known)
    if unknown:
        raise ValueError(f"chosen_on names the folds {unknown}; {folds_csv.name} has {sorted(known)}")


def perhaps_seen(arms: Iterable[Arm]) -> list[str]:
    """Of arms that are students, those with one for all folds: it may have been distilled on the cases that judge."""
    return [arm.name for arm in arms if "{fold}" not in (arm.bags or "") and not arm.undistilled]

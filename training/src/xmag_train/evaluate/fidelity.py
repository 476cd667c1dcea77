"""How near the student's space is to the teacher's, on instances of cases that the fold's student never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from xmag_train.cohort.table import Cohort
from xmag_train.finetune.fit import fit_projection
from xmag_train.metrics.bootstrap import Interval, UndefinedFigureError, interval
from xmag_train.metrics.retrieval import agreement_rows, same_case_rows, same_organ_rows
from xmag_train.mil.bags import bag_folder, read_bag

NEIGHBOURS = 10
Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Space:
    """Figures of an arm's space over all instances, with intervals by case; each 0 to 1 (cosine: -1 to 1).

    Retrieval is within a fold's unseen cases; intervals draw cases, whose neighbours stay the ones they have.
    ``mapped_cosine``: of the centred teacher to a ridge regression on the arm, fitted on the other cases.
    None: not measured, or too few cases.
    """

    arm: str
    agreement: Interval | None
    same_case: Interval | None
    same_organ: Interval | None
    mapped_cosine: Interval | None
    instances: int


def spaces(
    arms: Mapping[str, str], teacher: str, cohort: Cohort, folds: Mapping[str, int], organs: Mapping[str, str] | None
) -> list[Space]:
    """``arms``: name → pattern of bags; ``organs``: slide → organ."""
    found = []
    for name, pattern in arms.items():
        rows: dict[str, list[Rows]] = {}
        cases: list[str] = []
        for fold in sorted(set(folds.values())):
            figures, of_fold = _fold_rows(pattern, arms[teacher], name == teacher, cohort, folds, fold, organs)
            cases += of_fold
            for figure, values in figures.items():
                rows.setdefault(figure, []).append(values)
        intervals = {figure: mean_interval(np.concatenate(parts), cases) for figure, parts in rows.items()}
        found.append(
            Space(
                name,
                agreement=intervals.get("agreement"),
                same_case=intervals["same_case"],
                same_organ=intervals.get("same_organ"),
                mapped_cosine=intervals.get("mapped_cosine"),
                instances=len(cases),
            )
        )
    return found


def mean_interval(rows: Rows, cases: Sequence[str]) -> Interval | None:
    """Mean of the rows that are not NaN. [n], case of each."""
    counted = ~np.isnan(rows)
    values = np.where(counted, rows, 0.0)

    def mean(weights: Rows) -> Rows:
        total = weights[:, counted].sum(axis=1)
        return np.divide(weights @ values, total, out=np.full(len(weights), np.nan), where=total > 0)

    try:
        return interval(mean, cases)
    except UndefinedFigureError:
        return None


def _fold_rows(  # noqa: PLR0917 (one caller, just above)
    pattern: str,
    teacher: str,
    is_teacher: bool,
    cohort: Cohort,
    folds: Mapping[str, int],
    fold: int,
    organs: Mapping[str, str] | None,
) -> tuple[dict[str, Rows], list[str]]:
    """(figure → value of each instance of the fold's unseen cases, the instances' cases)."""
    test = [row for row in cohort.rows if folds[row.case] == fold]
    rest = [row for row in cohort.rows if folds[row.case] != fold]
    mine, theirs, owners = _instances(pattern, teacher, fold, [row.slide for row in test])
    case_of = {row.slide: row.case for row in test}
    cases = [case_of[slide] for slide in owners]
    figures = {"same_case": same_case_rows(mine, cases)}
    if organs is not None:
        figures["same_organ"] = same_organ_rows(mine, [organs[slide] for slide in owners], cases)
    if not is_teacher:
        figures["agreement"] = agreement_rows(mine, theirs, NEIGHBOURS)
        learnt, wanted, _ = _instances(pattern, teacher, fold, [row.slide for row in rest])
        figures["mapped_cosine"] = mapped_cosine(learnt, wanted, mine, theirs)
    return figures, cases


def mapped_cosine(
    learnt: NDArray[np.float32], wanted: NDArray[np.float32], mine: NDArray[np.float32], theirs: NDArray[np.float32]
) -> Rows:
    """Cosine of ridge(learnt → wanted)(mine) to theirs, both less the mean of ``wanted``: [n]."""
    linear = fit_projection(torch.from_numpy(learnt), torch.from_numpy(wanted))
    centre = torch.from_numpy(wanted).mean(dim=0)
    with torch.inference_mode():
        mapped = linear(torch.from_numpy(mine)) - centre
    cosine = torch.nn.functional.cosine_similarity(mapped, torch.from_numpy(theirs) - centre, dim=1)
    return np.asarray(cosine.numpy(), np.float64)


def _instances(
    pattern: str, teacher: str, fold: int, slides: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """(arm's, teacher's, slide of each) of the same places. ValueError where the two bags hold other places."""
    mine, theirs, owners = [], [], []
    for slide in slides:
        own = read_bag(bag_folder(pattern, fold) / f"{slide}.h5")
        other = read_bag(bag_folder(teacher, fold) / f"{slide}.h5")
        if not np.array_equal(own.coords, other.coords):
            raise ValueError(f"{slide}: the arms' bags hold different places")
        mine.append(own.features)
        theirs.append(other.features)
        owners += [slide] * len(own.features)
    return np.concatenate(mine), np.concatenate(theirs), owners

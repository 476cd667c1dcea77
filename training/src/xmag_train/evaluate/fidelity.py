"""How near the student's space is to the teacher's, on instances of cases that the fold's student never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from xmag_train.cohort.table import Cohort
from xmag_train.finetune.fit import fit_projection
from xmag_train.metrics.retrieval import neighbour_agreement, same_case_nearest, same_organ_other_case
from xmag_train.mil.bags import bag_folder, read_bag

NEIGHBOURS = 10


@dataclass(frozen=True)
class Space:
    """Figures of an arm's space, means over folds weighted by instances; each 0 to 1 (cosine: -1 to 1).

    Retrieval is within a fold's unseen cases. ``mapped_cosine``: of the centred teacher to a ridge regression on the
    arm, fitted on the other cases. None: not measured.
    """

    arm: str
    agreement: float | None
    same_case: float
    same_organ: float | None
    mapped_cosine: float | None
    instances: int


def spaces(
    arms: Mapping[str, str], teacher: str, cohort: Cohort, folds: Mapping[str, int], organs: Mapping[str, str] | None
) -> list[Space]:
    """``arms``: name → pattern of bags; ``organs``: slide → organ."""
    return [_space(name, arms[name], arms[teacher], name == teacher, cohort, folds, organs) for name in arms]


def _space(  # noqa: PLR0917 (one caller, just above)
    name: str,
    pattern: str,
    teacher: str,
    is_teacher: bool,
    cohort: Cohort,
    folds: Mapping[str, int],
    organs: Mapping[str, str] | None,
) -> Space:
    found: list[dict[str, float]] = []
    counts: list[int] = []
    for fold in sorted(set(folds.values())):
        test = [row for row in cohort.rows if folds[row.case] == fold]
        rest = [row for row in cohort.rows if folds[row.case] != fold]
        mine, theirs, owners = _instances(pattern, teacher, fold, [row.slide for row in test])
        case_of = {row.slide: row.case for row in test}
        cases = [case_of[slide] for slide in owners]
        figures = {"same_case": same_case_nearest(mine, cases)}
        if organs is not None:
            figures["same_organ"] = same_organ_other_case(mine, [organs[slide] for slide in owners], cases)
        if not is_teacher:
            figures["agreement"] = neighbour_agreement(mine, theirs, NEIGHBOURS)
            learnt, wanted, _ = _instances(pattern, teacher, fold, [row.slide for row in rest])
            figures["mapped_cosine"] = mapped_cosine(learnt, wanted, mine, theirs)
        found.append(figures)
        counts.append(len(mine))

    def mean(key: str) -> float | None:
        pairs = [(one[key], n) for one, n in zip(found, counts, strict=True) if key in one and not np.isnan(one[key])]
        return float(np.average([v for v, _ in pairs], weights=[n for _, n in pairs])) if pairs else None

    same_case = mean("same_case")
    assert same_case is not None
    return Space(name, mean("agreement"), same_case, mean("same_organ"), mean("mapped_cosine"), sum(counts))


def mapped_cosine(
    learnt: NDArray[np.float32], wanted: NDArray[np.float32], mine: NDArray[np.float32], theirs: NDArray[np.float32]
) -> float:
    """Mean cosine of ridge(learnt → wanted)(mine) to theirs, both less the mean of ``wanted``."""
    linear = fit_projection(torch.from_numpy(learnt), torch.from_numpy(wanted))
    centre = torch.from_numpy(wanted).mean(dim=0)
    with torch.inference_mode():
        mapped = linear(torch.from_numpy(mine)) - centre
    return float(torch.nn.functional.cosine_similarity(mapped, torch.from_numpy(theirs) - centre, dim=1).mean())


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

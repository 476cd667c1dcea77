"""How near the student's space is to the teacher's, on instances of cases that the fold's student never saw."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from xmag_train.data.cohort.table import Cohort
from xmag_train.finetune.fit import fit_projection
from xmag_train.metrics.bootstrap import Interval, UndefinedFigureError, interval
from xmag_train.metrics.retrieval import agreement_rows, same_case_rows, same_organ_rows
from xmag_train.mil.bags import path_of_fold, read_bag
from xmag_train.progress import track

NEIGHBOURS = 10
TILES_MAX = 20
"""Of a slide: a cohort of whole slides has hundreds of tiles each, too many to compare each with all."""
Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Basis:
    """What a figure rests on, out of ``of`` instances."""

    instances: int
    cases: int
    organs: int
    of: int


@dataclass(frozen=True)
class Space:
    """Figures of an arm's space over all instances, with intervals by case; each 0 to 1 (cosine: -1 to 1).

    Retrieval is within a fold's unseen cases; intervals draw cases, whose neighbours stay the ones they have.
    ``same_case_unseen``: without the folds that were looked at to choose.
    ``mapped_cosine``: of the centred teacher to a ridge regression on the arm, fitted on the other cases.
    None: not measured, or too few cases.
    """

    arm: str
    agreement: Interval | None
    same_case: Interval | None
    same_case_unseen: Interval | None
    same_organ: Interval | None
    mapped_cosine: Interval | None
    instances: int


def spaces(
    arms: Mapping[str, str],
    teacher: str,
    cohort: Cohort,
    folds: Mapping[str, int],
    *,
    organs: Mapping[str, str] | None,
    chosen_on: Collection[int],
) -> tuple[list[Space], Basis | None]:
    """(a row an arm, what their same-organ figures rest on).

    ``arms``: name → pattern of bags; ``organs``: slide → organ, empty where it is not stated; ``chosen_on``: folds.
    """
    numbers = sorted(set(folds.values()))
    parts: dict[str, list[dict[str, Rows]]] = {name: [] for name in arms}
    owners: list[str] = []
    for name, fold in track([(name, fold) for name in arms for fold in numbers], "fidelity and retrieval"):
        figures, of_fold = _fold_rows(arms[name], arms[teacher], name == teacher, cohort, folds, fold, organs)
        parts[name].append(figures)
        owners += of_fold if name == teacher else []
    case_of = {row.slide: row.case for row in cohort.rows}
    cases = [case_of[slide] for slide in owners]
    unseen = np.asarray([folds[case] not in chosen_on for case in cases])
    found, basis = [], None
    for name, of_folds in parts.items():
        rows = {figure: np.concatenate([part[figure] for part in of_folds]) for figure in of_folds[0]}
        intervals = {figure: mean_interval(values, cases) for figure, values in rows.items()}
        found.append(
            Space(
                name,
                agreement=intervals.get("agreement"),
                same_case=intervals["same_case"],
                same_case_unseen=mean_interval(rows["same_case"][unseen], list(np.asarray(cases)[unseen])),
                same_organ=intervals.get("same_organ"),
                mapped_cosine=intervals.get("mapped_cosine"),
                instances=len(cases),
            )
        )
        if organs is not None:
            basis = basis_of(rows["same_organ"], cases, [organs[slide] for slide in owners])
    return found, basis


def basis_of(rows: Rows, cases: Sequence[str], organs: Sequence[str]) -> Basis:
    """Of a figure's rows, those that are not NaN count."""
    counted = ~np.isnan(rows)
    n_cases, n_organs = (len(set(np.asarray(values)[counted].tolist())) for values in (cases, organs))
    return Basis(instances=int(counted.sum()), cases=n_cases, organs=n_organs, of=len(rows))


def mean_interval(rows: Rows, cases: Sequence[str]) -> Interval | None:
    """Mean of the rows that are not NaN, and of how many cases they are. [n], case of each. None: too few."""
    counted = ~np.isnan(rows)
    if not counted.any():
        return None
    values = np.where(counted, rows, 0.0)

    def mean(weights: Rows) -> Rows:
        total = weights[:, counted].sum(axis=1)
        return np.divide(weights @ values, total, out=np.full(len(weights), np.nan), where=total > 0)

    try:
        return replace(interval(mean, cases), n_cases=len(set(np.asarray(cases)[counted].tolist())))
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
    """(figure → value of each instance of the fold's unseen cases, the instances' slides)."""
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
    return figures, owners


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
    """(arm's, teacher's, slide of each) of the same places, ``TILES_MAX`` of a slide at most.

    ValueError where the two bags hold other places.
    """
    mine, theirs, owners = [], [], []
    for slide in slides:
        own = read_bag(path_of_fold(pattern, fold) / f"{slide}.h5")
        other = read_bag(path_of_fold(teacher, fold) / f"{slide}.h5")
        if not np.array_equal(own.coords, other.coords):
            raise ValueError(f"{slide}: the arms' bags hold different places")
        drawn = drawn_tiles(slide, len(own.features))
        mine.append(own.features[drawn])
        theirs.append(other.features[drawn])
        owners += [slide] * len(drawn)
    return np.concatenate(mine), np.concatenate(theirs), owners


def drawn_tiles(slide: str, tiles: int) -> NDArray[np.int64]:
    """Which of a slide's ``tiles`` count: all, or ``TILES_MAX`` at random, the same for every arm and in every run."""
    if tiles <= TILES_MAX:
        return np.arange(tiles)
    random = np.random.default_rng(zlib.crc32(slide.encode()))
    return np.sort(random.choice(tiles, TILES_MAX, replace=False))

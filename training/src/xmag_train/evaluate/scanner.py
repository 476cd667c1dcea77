"""The same glass on two scanners: how far its embeddings move, against how far two other glasses lie apart.

A pair is judged by the student of its case's fold, which never saw the case. If the case is in no fold, the student
refit on all judges it. An arm whose bags do not depend on the fold has one encoder for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xmag_train.data.cohort.table import fold_of_cases, read_rows
from xmag_train.evaluate.unseen import case_of_slides
from xmag_train.mil.bags import path_of_fold, read_features

CENTRED_PAIRS_MIN = 3
"""Less their own mean, the slides of two pairs lie opposite each other, whatever they show."""


@dataclass(frozen=True)
class Pair:
    """Two slides of one glass. ``fold``: of their case; None where no fold holds it."""

    slide_a: str
    slide_b: str
    case: str
    fold: int | None


@dataclass(frozen=True)
class ScannerShift:
    """Median cosines of mean embeddings, less the mean of all pairs' by the same encoder where there are enough.

    ``same_glass``: of a pair's slides. ``other_glass``: of slides of pairs of two cases, judged by the same encoder,
    which saw neither; None where there are no two such pairs. ``by_fold`` and ``by_refit``: how many pairs the students
    of their folds judged, and the student refit on all. Both are 0 for an arm with one encoder for all.
    """

    arm: str
    pairs: int
    by_fold: int
    by_refit: int
    same_glass: float
    other_glass: float | None


def read_pairs(pairs_csv: Path, labels_csv: Path, folds_csv: Path) -> list[Pair]:
    """Pairs with their case and its fold.

    ValueError for fewer than two pairs (there is nothing to compare with), or a slide paired with itself. Also for a
    pair whose case neither labels.csv nor a column ``case`` states.
    """
    case_of, fold_of = case_of_slides(labels_csv), fold_of_cases(folds_csv)
    pairs = []
    for row in read_rows(pairs_csv, ["slide_a", "slide_b"]):
        slides = row["slide_a"], row["slide_b"]
        if slides[0] == slides[1]:
            raise ValueError(f"{pairs_csv.name}: {slides[0]} is paired with itself")
        said = {case for case in (row.get("case"), *map(case_of.get, slides)) if case}
        if len(said) != 1:
            raise ValueError(
                f"{pairs_csv.name}: {' and '.join(slides)} are of {sorted(said) or 'no known case'}. Give their one "
                f"case in a column case, as in {labels_csv.name}. Else a student may be judged on its training cases"
            )
        (case,) = said
        pairs.append(Pair(*slides, case, fold_of.get(case)))
    if len(pairs) < 2:
        raise ValueError(f"{pairs_csv.name}: scanner shift needs at least two pairs")
    return pairs


def scanner_shift(arm: str, pattern: str, pairs: Sequence[Pair]) -> ScannerShift:
    """``pattern``: of the arm's bags; each encoder's folder holds those of all pairs. FileNotFoundError where not."""
    same: list[NDArray[np.float64]] = []
    other: list[NDArray[np.float64]] = []
    folders = [path_of_fold(pattern, pair.fold) for pair in pairs]
    cases = np.asarray([pair.case for pair in pairs])
    for folder in dict.fromkeys(folders):
        unseen = np.asarray([one == folder for one in folders])
        cosines = _cosines(folder, pairs)[np.ix_(unseen, unseen)]
        same.append(np.diag(cosines))
        other.append(cosines[cases[unseen][:, None] != cases[unseen][None, :]])
    apart = np.concatenate(other)
    by_fold = sum(pair.fold is not None for pair in pairs) if "{fold}" in pattern else 0
    return ScannerShift(
        arm,
        pairs=len(pairs),
        by_fold=by_fold,
        by_refit=len(pairs) - by_fold if "{fold}" in pattern else 0,
        same_glass=float(np.median(np.concatenate(same))),
        other_glass=float(np.median(apart)) if len(apart) else None,
    )


def _cosines(folder: Path, pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """[first slide of a pair, second slide of a pair], by one encoder."""
    features = read_features(folder, dict.fromkeys(slide for pair in pairs for slide in (pair.slide_a, pair.slide_b)))
    first, second = (
        np.stack([features[slide].double().numpy().mean(axis=0) for slide in slides])
        for slides in ([pair.slide_a for pair in pairs], [pair.slide_b for pair in pairs])
    )
    if len(pairs) >= CENTRED_PAIRS_MIN:
        centre = np.concatenate([first, second]).mean(axis=0)
        first, second = first - centre, second - centre
    cosines: NDArray[np.float64] = (first @ second.T) / np.outer(
        np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
    )
    return cosines

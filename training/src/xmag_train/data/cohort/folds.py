"""Folds by case: each case in exactly one, labels and organs spread as evenly as counts allow.

scikit-learn's `StratifiedGroupKFold` takes one label and balances slides, not cases. On the atlas some of its folds get
two cases of a class more than others; the folds made here get equal numbers. By label and organ joined, one of its
folds has no malignant case.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xmag_train.progress import say


@dataclass(frozen=True)
class CaseStrata:
    """What a case is to be spread by, most important first, and how many slides it brings."""

    case: str
    strata: tuple[str, ...]
    slides: int


def assign_folds(cases: Sequence[CaseStrata], folds: int, seed: int) -> dict[str, int]:
    """Case → fold 0 to ``folds`` - 1.

    Greedy: classes of the first stratum one after the other, the rarest first. Each case goes to the fold that holds
    fewest cases of its first stratum. Ties are broken by the next strata, then by fewest slides, then by the lowest
    number. ValueError for fewer cases than folds or a case named twice.
    """
    if len(cases) < folds:
        raise ValueError(f"{len(cases)} cases cannot fill {folds} folds")
    if len({case.case for case in cases}) != len(cases):
        raise ValueError("a case is named twice")
    shuffled = sorted(cases, key=lambda case: case.case)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (no secret)
    commonness = Counter(case.strata[0] for case in cases)
    shuffled.sort(key=lambda case: (commonness[case.strata[0]], case.strata[0], -case.slides))
    held: list[Counter[tuple[int, str]]] = [Counter() for _ in range(folds)]
    slides = [0] * folds
    chosen: dict[str, int] = {}
    for case in shuffled:
        keys = list(enumerate(case.strata))

        def load(fold: int, keys: Sequence[tuple[int, str]] = keys) -> tuple[int, ...]:
            return (*(held[fold][key] for key in keys), slides[fold], fold)

        best = min(range(folds), key=load)
        held[best].update(keys)
        slides[best] += case.slides
        chosen[case.case] = best
    return chosen


def strata_of(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[CaseStrata]:
    """Rows of labels.csv → cases; a case's stratum is all that its slides say in the column, empty cells left out."""
    slides: Counter[str] = Counter(row["case"] for row in rows)
    said: dict[str, list[set[str]]] = {case: [set() for _ in columns] for case in slides}
    for row in rows:
        for found, column in zip(said[row["case"]], columns, strict=True):
            found.update({row[column]} - {""})
    return [
        CaseStrata(case, tuple("+".join(sorted(found)) for found in of_case), slides[case])
        for case, of_case in said.items()
    ]


def folds_by_case(cases: Sequence[str], labels: Sequence[int], folds: int, seed: int) -> dict[str, int]:
    """Case → fold, from the case and the class of each slide."""
    rows = [{"case": case, "label": str(label)} for case, label in zip(cases, labels, strict=True)]
    return assign_folds(strata_of(rows, ["label"]), folds, seed)


def inner_folds(cases: Sequence[str], labels: Sequence[int], most: int, seed: int) -> dict[str, int]:
    """Case → inner fold: ``most`` folds, or as many fewer as leave a slide of every class outside each of them.

    ValueError where not even two do.
    """
    for count in range(min(most, len(set(cases))), 1, -1):
        folds = folds_by_case(cases, labels, count, seed)
        outside = [
            {label for case, label in zip(cases, labels, strict=True) if folds[case] != fold} for fold in range(count)
        ]
        if all(left == set(labels) for left in outside):
            if count < most:
                say(f"{count} inner folds, not {most}: a class has too few cases in this training part")
            return folds
    counted = {label: len({c for c, other in zip(cases, labels, strict=True) if other == label}) for label in labels}
    raise ValueError(
        f"inner folds need two cases of each class in the training part, but have {sorted(counted.items())} "
        "(class, cases). Set the number of epochs, take fewer classes or bring more cases"
    )

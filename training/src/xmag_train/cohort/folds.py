"""Folds by case: each case in exactly one, labels and organs spread as evenly as counts allow."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CaseStrata:
    """What a case is to be spread by, most important first, and how many slides it brings."""

    case: str
    strata: tuple[str, ...]
    slides: int


def assign_folds(cases: Sequence[CaseStrata], folds: int, seed: int) -> dict[str, int]:
    """Case → fold 0 to ``folds`` - 1.

    Greedy: classes of the first stratum one after the other, the rarest first; each case goes to the fold that holds
    fewest cases of its first stratum, then of its second, and so on, then fewest slides, then the lowest number.
    ValueError for fewer cases than folds or a case named twice.
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
    """Rows of labels.csv → cases. ValueError if slides of a case differ in a column that folds are spread by."""
    slides: Counter[str] = Counter()
    strata: dict[str, tuple[str, ...]] = {}
    for row in rows:
        values = tuple(row[column] for column in columns)
        if strata.setdefault(row["case"], values) != values:
            raise ValueError(f"slides of the case {row['case']} differ in {list(columns)}")
        slides[row["case"]] += 1
    return [CaseStrata(case, values, slides[case]) for case, values in strata.items()]

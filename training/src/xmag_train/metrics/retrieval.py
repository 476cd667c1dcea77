"""How well an embedding finds what belongs together. Similarity is the cosine; nothing is its own neighbour.

Cosines are made for some rows at a time: memory grows with the number of embeddings, not with its square.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
BLOCK_ROWS = 1024


def same_case_rows(embeddings: Floats, cases: Sequence[str]) -> NDArray[np.float64]:
    """[N]: 1 where a region's nearest neighbour is of the same case, 0 where not, NaN for the only one of its case.

    It rewards stain and scanner too. embeddings [N, D], one case per row. ValueError for fewer than two.
    """
    if len(cases) < 2:
        raise ValueError("retrieval needs at least two regions")
    _, names, regions = np.unique(np.asarray(cases), return_inverse=True, return_counts=True)
    nearest = cosine_ranking(embeddings, 1)[:, 0]
    return np.where(regions[names] > 1, names[nearest] == names, np.nan)


def agreement_rows(student: Floats, teacher: Floats, neighbours: int = 10) -> NDArray[np.float64]:
    """[N]: share of a region's ``neighbours`` nearest by the teacher that are so by the student. [N, D], [N, D']."""
    mine, theirs = cosine_ranking(student, neighbours), cosine_ranking(teacher, neighbours)
    return np.asarray([len(np.intersect1d(a, b)) / len(a) for a, b in zip(mine, theirs, strict=True)])


def same_organ_rows(embeddings: Floats, organs: Sequence[str], cases: Sequence[str]) -> NDArray[np.float64]:
    """[N]: 1 where a region's nearest neighbour from another case is of the same organ, 0 where not.

    NaN where no other case is of that organ. An empty organ is not stated: such a region is nobody's neighbour.
    """
    organ, case = np.asarray(organs), np.asarray(cases)
    found = []
    for rows, cosines in _cosines(embeddings):
        other = (case[rows, None] != case[None, :]) & (organ != "")[None, :]
        nearest = np.where(other, cosines, -np.inf).argmax(axis=1)
        able = ((organ[rows, None] == organ[None, :]) & other).any(axis=1)
        found.append(np.where(able, organ[nearest] == organ[rows], np.nan))
    return np.concatenate(found)


def same_case_nearest(embeddings: Floats, cases: Sequence[str]) -> float:
    """Mean of ``same_case_rows`` over the regions that count."""
    return _mean(same_case_rows(embeddings, cases))


def neighbour_agreement(student: Floats, teacher: Floats, neighbours: int = 10) -> float:
    """Mean of ``agreement_rows``."""
    return _mean(agreement_rows(student, teacher, neighbours))


def cosine_ranking(embeddings: Floats, nearest: int) -> NDArray[np.int64]:
    """int64 [N, ``nearest`` or N − 1, the less]: for each row the others, nearest first; ties in order of row."""
    count = min(nearest, len(embeddings) - 1)
    found = []
    for rows, cosines in _cosines(embeddings):
        cosines[np.arange(len(rows)), rows] = -np.inf
        found.append(np.argsort(-cosines, axis=1, kind="stable")[:, :count].copy())  # a view would keep all of it
    return np.concatenate(found)


def _cosines(embeddings: Floats) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """(some rows [n], their cosines to all [n, N]) until every row was there."""
    values = np.asarray(embeddings, dtype=np.float64)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    for start in range(0, len(unit), BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, len(unit)))
        yield rows, unit[start : start + BLOCK_ROWS] @ unit.T


def _mean(rows: NDArray[np.float64]) -> float:
    counted = rows[~np.isnan(rows)]
    return float(counted.mean()) if len(counted) else float("nan")

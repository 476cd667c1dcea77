"""How well an embedding finds what belongs together. Similarity is the cosine; nothing is its own neighbour."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def same_case_rows(embeddings: Floats, cases: Sequence[str]) -> NDArray[np.float64]:
    """[N]: 1 where a region's nearest neighbour is of the same case, 0 where not, NaN for the only one of its case.

    It rewards stain and scanner too. embeddings [N, D], one case per row. ValueError for fewer than two.
    """
    names = np.asarray(cases)
    if len(names) < 2:
        raise ValueError("retrieval needs at least two regions")
    nearest = cosine_ranking(embeddings)[:, 0]
    able = (names[:, None] == names[None, :]).sum(axis=1) > 1
    return np.where(able, names[nearest] == names, np.nan)


def agreement_rows(student: Floats, teacher: Floats, neighbours: int = 10) -> NDArray[np.float64]:
    """[N]: share of a region's ``neighbours`` nearest by the teacher that are so by the student. [N, D], [N, D']."""
    mine = cosine_ranking(student)[:, :neighbours]
    theirs = cosine_ranking(teacher)[:, :neighbours]
    return np.asarray([len(np.intersect1d(a, b)) / len(a) for a, b in zip(mine, theirs, strict=True)])


def same_organ_rows(embeddings: Floats, organs: Sequence[str], cases: Sequence[str]) -> NDArray[np.float64]:
    """[N]: 1 where a region's nearest neighbour from another case is of the same organ, 0 where not.

    NaN where no other case is of that organ. An empty organ is not stated: such a region is nobody's neighbour.
    """
    organ, case = np.asarray(organs), np.asarray(cases)
    other = (case[:, None] != case[None, :]) & (organ != "")[None, :]
    cosines = np.where(other, _cosines(embeddings), -np.inf)
    able = ((organ[:, None] == organ[None, :]) & other).any(axis=1)
    return np.where(able, organ[cosines.argmax(axis=1)] == organ, np.nan)


def same_case_nearest(embeddings: Floats, cases: Sequence[str]) -> float:
    """Mean of ``same_case_rows`` over the regions that count."""
    return _mean(same_case_rows(embeddings, cases))


def neighbour_agreement(student: Floats, teacher: Floats, neighbours: int = 10) -> float:
    """Mean of ``agreement_rows``."""
    return _mean(agreement_rows(student, teacher, neighbours))


def cosine_ranking(embeddings: Floats) -> NDArray[np.int64]:
    """int64 [N, N − 1]: for each row the others, nearest first; ties in order of row."""
    cosines = _cosines(embeddings)
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :-1]


def _cosines(embeddings: Floats) -> NDArray[np.float64]:
    values = np.asarray(embeddings, dtype=np.float64)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit @ unit.T


def _mean(rows: NDArray[np.float64]) -> float:
    counted = rows[~np.isnan(rows)]
    return float(counted.mean()) if len(counted) else float("nan")

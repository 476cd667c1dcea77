"""How well an embedding finds what belongs together. Similarity is the cosine; nothing is its own neighbour."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def same_case_nearest(embeddings: Floats, cases: Sequence[str]) -> float:
    """Share of regions whose nearest neighbour is of the same case (it rewards stain and scanner too).

    embeddings [N, D], one case per row. Regions that are the only one of their case do not count.
    ValueError for fewer than two.
    """
    names = np.asarray(cases)
    if len(names) < 2:
        raise ValueError("retrieval needs at least two regions")
    nearest = cosine_ranking(embeddings)[:, 0]
    able = (names[:, None] == names[None, :]).sum(axis=1) > 1
    return float((names[nearest] == names)[able].mean())


def neighbour_agreement(student: Floats, teacher: Floats, neighbours: int = 10) -> float:
    """Mean share of each region's ``neighbours`` nearest by the teacher that are so by the student. [N, D], [N, D']."""
    mine = cosine_ranking(student)[:, :neighbours]
    theirs = cosine_ranking(teacher)[:, :neighbours]
    shared = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(mine, theirs, strict=True)]
    return float(np.mean(shared))


def same_organ_other_case(embeddings: Floats, organs: Sequence[str], cases: Sequence[str]) -> float:
    """Share of regions whose nearest neighbour from another case is of the same organ.

    Regions whose organ no other case has do not count; nan if none is left.
    """
    organ, case = np.asarray(organs), np.asarray(cases)
    other = case[:, None] != case[None, :]
    cosines = np.where(other, _cosines(embeddings), -np.inf)
    able = ((organ[:, None] == organ[None, :]) & other).any(axis=1)
    if not able.any():
        return float("nan")
    return float((organ[cosines.argmax(axis=1)] == organ)[able].mean())


def cosine_ranking(embeddings: Floats) -> NDArray[np.int64]:
    """int64 [N, N − 1]: for each row the others, nearest first; ties in order of row."""
    cosines = _cosines(embeddings)
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :-1]


def _cosines(embeddings: Floats) -> NDArray[np.float64]:
    values = np.asarray(embeddings, dtype=np.float64)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit @ unit.T

"""How well a distilled student does on cases that it never saw."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xmag_train.data.shards import RegionMeta
from xmag_train.distill.views.readings import READINGS
from xmag_train.metrics.retrieval import neighbour_agreement, same_case_nearest
from xmag_train.metrics.whitening import fit_whitening

BATCH = 32


@torch.inference_mode()
def embed(student: nn.Module, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [N, 224, 224, 3] → float32 [N, D]."""
    student.eval()
    parts = [student(torch.from_numpy(np.array(tiles[i : i + BATCH])))[0] for i in range(0, len(tiles), BATCH)]
    return torch.cat(parts).float().numpy()


def reading_cosines(by_reading: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """Median over regions of the cosine between the LANCZOS embedding and each other reading's."""
    base = by_reading["lanczos"]
    cosines = {}
    for name, other in by_reading.items():
        if name != "lanczos":
            norms = np.linalg.norm(base, axis=1) * np.linalg.norm(other, axis=1)
            cosines[name] = float(np.median((base * other).sum(axis=1) / norms))
    return cosines


class Learnt(NamedTuple):
    """What the run learned from, for whitening: tiles uint8 [M, 224, 224, 3], the teacher's means [M, D]."""

    tiles: NDArray[np.uint8]
    teacher: NDArray[np.floating]


def fidelity(
    student: nn.Module,
    tiles: NDArray[np.uint8],
    teacher: NDArray[np.floating],
    metas: Sequence[RegionMeta],
    learnt: Learnt,
) -> dict[str, Any]:
    """Retrieval by the student and by the teacher, and how little the reading matters.

    tiles uint8 [N, readings, 224, 224, 3]; teacher [N, D], its mean over the 16 tiles; all of left-out cases.
    ``whitened``: by embeddings whitened as the training cases are.
    """
    by_reading: dict[str, NDArray[np.float32]] = {
        name: embed(student, tiles[:, at]) for at, name in enumerate(READINGS)
    }
    mine = by_reading["lanczos"]
    whiten, whiten_teacher = fit_whitening(embed(student, learnt.tiles)), fit_whitening(learnt.teacher)
    cases = [meta.case for meta in metas]
    return {
        "regions": len(metas),
        "cases": len(set(cases)),
        "same_case": same_case_nearest(mine, cases),
        "same_case_teacher": same_case_nearest(teacher, cases),
        "same_case_whitened": same_case_nearest(whiten(mine), cases),
        "same_case_teacher_whitened": same_case_nearest(whiten_teacher(teacher), cases),
        "agreement_10": neighbour_agreement(mine, teacher),
        "reading_cosine": reading_cosines(by_reading),
    }

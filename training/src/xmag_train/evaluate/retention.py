"""What an arm keeps of the teacher's AUROC and balanced accuracy: paired, with intervals by case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xmag_train.metrics.bootstrap import Interval, UndefinedFigureError, Verdict, paired_difference, verdict
from xmag_train.metrics.classification import measures, slide_metrics

FIGURES = ("auroc", "balanced_accuracy")


@dataclass(frozen=True)
class Retention:
    """One arm, one figure. ``difference``: arm minus teacher; it and ``verdict`` are None for the teacher itself."""

    arm: str
    figure: str
    value: Interval | None
    difference: Interval | None
    verdict: Verdict | None


def retention(
    logits: Mapping[str, NDArray[np.float64]], teacher: str, labels: NDArray[np.int64], cases: Sequence[str]
) -> list[Retention]:
    """``logits``: arm → [n, C], of the same slides in the same order; ``teacher``: the arm to compare with."""
    reference = measures(logits[teacher], labels)
    rows = []
    for arm, values in logits.items():
        figures = slide_metrics(values, labels, cases)
        own = measures(values, labels)
        for figure in FIGURES:
            difference = None
            if arm != teacher:
                try:
                    difference = paired_difference(own[figure], reference[figure], cases)
                except UndefinedFigureError:
                    difference = None
            told = None if difference is None else verdict(difference)
            rows.append(Retention(arm, figure, figures[figure], difference, told))
    return rows

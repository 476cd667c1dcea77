"""AUROC and balanced accuracy of a cohort's slides, with intervals by case."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from xmag_train.metrics.bootstrap import Interval, Measure, UndefinedFigureError, interval
from xmag_train.metrics.classification import balanced_accuracy, macro_auroc


def measures(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Measure]:
    """Name → measure of weighted slides. logits [n, C], labels [n]."""
    probabilities = softmax(logits, axis=1)
    return {
        "auroc": lambda weights: macro_auroc(probabilities, labels, weights),
        "balanced_accuracy": lambda weights: balanced_accuracy(probabilities, labels, weights),
    }


def slide_metrics(
    logits: NDArray[np.float64], labels: NDArray[np.int64], cases: Sequence[str]
) -> dict[str, Interval | None]:
    """Each figure with its interval, None where the cases are too few to define it."""
    found: dict[str, Interval | None] = {}
    for name, measure in measures(logits, labels).items():
        try:
            found[name] = interval(measure, cases)
        except UndefinedFigureError:
            found[name] = None
    return found

"""AUROC and balanced accuracy of slides, with intervals by case.

Slides have weights: how often the bootstrap drew their case. All draws are computed at once: scikit-learn's
`roc_auc_score` gives the same for one draw, and takes 12 s for 2,000 of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from xmag_train.metrics.bootstrap import Interval, Measure, UndefinedFigureError, interval

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def auroc(scores: FloatArray, positive: NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    """Area under the ROC curve as the share of (positive, negative) pairs in order, ties counting one half.

    scores [n]; positive [n]; weights [B, n] ≥ 0 → [B], NaN where one of the two classes has no weight.
    """
    ours, theirs = scores[positive], scores[~positive]
    ordered = (ours[:, None] > theirs[None, :]) + 0.5 * (ours[:, None] == theirs[None, :])
    heavy, light = weights[:, positive], weights[:, ~positive]
    pairs = heavy.sum(axis=1) * light.sum(axis=1)
    won = np.einsum("bp,pn,bn->b", heavy, ordered, light, optimize=True)
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def macro_auroc(probabilities: FloatArray, labels: IntArray, weights: FloatArray) -> FloatArray:
    """Two classes: AUROC of the second. More: the mean of one-against-rest. [n, C], [n], [B, n] → [B]."""
    classes = probabilities.shape[1]
    which = [1] if classes == 2 else range(classes)
    return np.mean([auroc(probabilities[:, c], labels == c, weights) for c in which], axis=0)


def balanced_accuracy(probabilities: FloatArray, labels: IntArray, weights: FloatArray) -> FloatArray:
    """Mean over classes of the share of their slides that the largest probability names. NaN where a class is absent.

    [n, C], [n], [B, n] → [B].
    """
    right = probabilities.argmax(axis=1) == labels
    recalls = []
    for c in range(probabilities.shape[1]):
        of_class = weights[:, labels == c]
        total = of_class.sum(axis=1)
        hits = (of_class * right[labels == c]).sum(axis=1)
        recalls.append(np.divide(hits, total, out=np.full(len(weights), np.nan), where=total > 0))
    return np.mean(recalls, axis=0)


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

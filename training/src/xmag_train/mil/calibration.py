"""One temperature from out-of-fold logits, where there are cases enough; otherwise none, and that is said."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.inference.manifest import Calibration
from app.inference.manifest_parts import CALIBRATION_CASES_MIN, CALIBRATION_CLASS_MIN
from xmag_train.metrics.classification import softmax

LOG_TEMPERATURES = np.linspace(np.log(0.05), np.log(20.0), 801)


def negative_log_likelihood(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over slides, in nats. logits [n, C], labels [n]."""
    top = logits.max(axis=1)
    log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float(np.mean(log_sum - logits[np.arange(len(labels)), labels]))


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature in 0.05 to 20 of least negative log-likelihood (Guo et al. 2017, arXiv 1706.04599)."""
    losses = [negative_log_likelihood(logits / np.exp(log), labels) for log in LOG_TEMPERATURES]
    return float(np.exp(LOG_TEMPERATURES[int(np.argmin(losses))]))


def best_threshold(positive: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    """The cut in 0 to 1 of greatest balanced accuracy (at or above it is positive), midway between two scores."""
    scores = np.unique(positive)
    cuts = np.concatenate([[scores[0]], (scores[1:] + scores[:-1]) / 2])
    gained = [(positive[is_positive] >= cut).mean() + (positive[~is_positive] < cut).mean() for cut in cuts]
    return float(cuts[int(np.argmax(gained))])


def count_cases(cases: Sequence[str], labels: Sequence[int], classes: int) -> tuple[int, int]:
    """(cases, cases of the rarest class); a case counts for every class that a slide of it has."""
    of_class: dict[int, set[str]] = defaultdict(set)
    for case, label in zip(cases, labels, strict=True):
        of_class[label].add(case)
    return len(set(cases)), min(len(of_class[label]) for label in range(classes))


def calibrate(
    logits: NDArray[np.float64], labels: NDArray[np.int64], cases: Sequence[str], positive: int | None
) -> Calibration:
    """From out-of-fold ``logits`` [n, C]. Status none below 100 cases or 30 of the rarest class.

    ``positive``: index of the class that a threshold is wanted for; None gives no threshold.
    """
    n_cases, rarest = count_cases(cases, labels.tolist(), logits.shape[1])
    if n_cases < CALIBRATION_CASES_MIN or rarest < CALIBRATION_CLASS_MIN:
        return Calibration(n_cases=n_cases, n_cases_rarest_class=rarest)
    temperature = fit_temperature(logits, labels)
    threshold = None
    if positive is not None:
        threshold = best_threshold(softmax(logits / temperature)[:, positive], labels == positive)
    return Calibration(
        status="temperature",
        temperature=temperature,
        threshold=threshold,
        n_cases=n_cases,
        n_cases_rarest_class=rarest,
    )

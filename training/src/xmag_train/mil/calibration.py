"""One temperature from out-of-fold logits, where there are cases enough and it does; otherwise none, and that is said.

Class weights teach a head as if every class were equally common. A temperature makes its scores bolder or more
cautious. It cannot shift them to the frequency of the classes. If the mean probability of a class clearly differs from
its share of the slides, there is no calibration. A difference that is not certain passes.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from app.inference.manifest import Calibration
from app.inference.manifest_parts import CALIBRATION_CASES_MIN, CALIBRATION_CLASS_MIN
from xmag_train.config import Config
from xmag_train.metrics.bootstrap import interval

SHARE_MARGIN = 0.01
LOG_TEMPERATURES = (np.log(0.05), np.log(20.0))


class ClassShare(Config):
    """Out of fold, at the fitted temperature: a class's mean probability, and its share of the slides.

    ``ci_low`` and ``ci_high``: 95 % interval of the first less the second, by case.
    """

    label: str
    mean_probability: float
    share: float
    ci_low: float
    ci_high: float

    @property
    def agrees(self) -> bool:
        """Unless the whole interval says that they are more than ``SHARE_MARGIN`` apart."""
        return self.ci_low <= SHARE_MARGIN and self.ci_high >= -SHARE_MARGIN

    def in_words(self) -> str:
        """For the command and the card: its mean probability; its share, and the interval of the difference."""
        return f"{self.label} {self.mean_probability:.3f} ({self.share:.3f}; {self.ci_low:+.3f} to {self.ci_high:+.3f})"


class Calibrated(NamedTuple):
    """``shares``: of every class; none where there are too few cases to fit a temperature."""

    calibration: Calibration
    shares: list[ClassShare]


def negative_log_likelihood(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over slides, in nats. logits [n, C], labels [n]."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature in 0.05 to 20 of least negative log-likelihood (Guo et al. 2017, arXiv 1706.04599)."""
    found = minimize_scalar(
        lambda log: negative_log_likelihood(logits / np.exp(log), labels), bounds=LOG_TEMPERATURES, method="bounded"
    )
    return float(np.exp(found.x))


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


def class_shares(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], cases: Sequence[str], names: Sequence[str]
) -> list[ClassShare]:
    """Of each class. probabilities [n, C], labels [n], a case for each slide."""
    shares = []
    for index, name in enumerate(names):
        excess = probabilities[:, index] - (labels == index)

        def mean(weights: NDArray[np.float64], excess: NDArray[np.float64] = excess) -> NDArray[np.float64]:
            return (weights @ excess) / weights.sum(axis=1)

        found = interval(mean, cases)
        shares.append(
            ClassShare(
                label=name,
                mean_probability=float(probabilities[:, index].mean()),
                share=float((labels == index).mean()),
                ci_low=found.ci_low,
                ci_high=found.ci_high,
            )
        )
    return shares


def calibrate(
    logits: NDArray[np.float64],
    labels: NDArray[np.int64],
    cases: Sequence[str],
    names: Sequence[str],
    positive: int | None,
) -> Calibrated:
    """From out-of-fold ``logits`` [n, C] of the classes ``names``.

    Status none below 100 cases or 30 of the rarest class, and where a class's mean probability clearly differs from its
    share.
    ``positive``: index of the class that a threshold is wanted for; None gives no threshold.
    """
    n_cases, rarest = count_cases(cases, labels.tolist(), logits.shape[1])
    none = Calibration(n_cases=n_cases, n_cases_rarest_class=rarest)
    if n_cases < CALIBRATION_CASES_MIN or rarest < CALIBRATION_CLASS_MIN:
        return Calibrated(none, [])
    temperature = fit_temperature(logits, labels)
    probabilities = softmax(logits / temperature, axis=1)
    shares = class_shares(probabilities, labels, cases, names)
    if not all(share.agrees for share in shares):
        return Calibrated(none, shares)
    threshold = None if positive is None else best_threshold(probabilities[:, positive], labels == positive)
    fitted = Calibration(
        status="temperature",
        temperature=temperature,
        threshold=threshold,
        n_cases=n_cases,
        n_cases_rarest_class=rarest,
    )
    return Calibrated(fitted, shares)

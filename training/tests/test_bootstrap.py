"""AUROC and balanced accuracy by value; the bootstrap draws cases; verdicts of constructed differences."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from xmag_train.metrics.bootstrap import (
    Interval,
    UndefinedFigureError,
    case_weights,
    interval,
    paired_difference,
    verdict,
)
from xmag_train.metrics.classification import auroc, balanced_accuracy, macro_auroc


def test_auroc_of_hand_counted_pairs() -> None:
    scores, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
    assert auroc(scores, positive, np.ones((1, 4)))[0] == pytest.approx((1 + 0.5 + 1 + 1) / 4)


def test_weights_count_as_repetition() -> None:
    rng = np.random.default_rng(0)
    logits, labels, times = rng.normal(size=(30, 3)), rng.integers(0, 3, 30), rng.integers(0, 4, 30)
    probabilities, repeated = softmax(logits, axis=1), np.repeat(np.arange(30), times)
    weights = times[None].astype(float)
    wanted = roc_auc_score(labels[repeated], probabilities[repeated], multi_class="ovr")
    assert macro_auroc(probabilities, labels, weights)[0] == pytest.approx(wanted)
    wanted = balanced_accuracy_score(labels[repeated], probabilities[repeated].argmax(axis=1))
    assert balanced_accuracy(probabilities, labels, weights)[0] == pytest.approx(wanted)


def test_slides_of_a_case_are_drawn_together() -> None:
    weights = case_weights(["a", "a", "b", "c", "b"], 500, seed=0)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_interval_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(1).normal(size=400)
    found = interval(lambda w: (w * values).sum(axis=1) / w.sum(axis=1), [f"c{i}" for i in range(400)])
    half = 1.96 * values.std() / 20
    assert found.ci_low == pytest.approx(values.mean() - half, abs=0.012)
    assert found.ci_high == pytest.approx(values.mean() + half, abs=0.012)


def test_repeating_each_slide_in_its_case_narrows_nothing() -> None:
    values = np.random.default_rng(2).normal(size=50)
    cases = [f"c{i}" for i in range(50)]

    def mean(of: np.ndarray):
        return lambda w: (w * of).sum(axis=1) / w.sum(axis=1)

    once, often = interval(mean(values), cases), interval(mean(np.repeat(values, 5)), np.repeat(cases, 5).tolist())
    assert often.ci_high - often.ci_low == pytest.approx(once.ci_high - once.ci_low)


def test_perfect_separation_has_no_width_and_one_class_no_figure() -> None:
    probabilities = softmax(np.array([[0.0, -1], [0, -2], [0, 1], [0, 2]] * 3), axis=1)
    labels, cases = np.array([0, 0, 1, 1] * 3), [f"c{i}" for i in range(12)]
    found = interval(lambda w: macro_auroc(probabilities, labels, w), cases)
    assert (found.value, found.ci_low, found.ci_high) == (1.0, 1.0, 1.0)
    with pytest.raises(UndefinedFigureError):
        interval(lambda w: macro_auroc(probabilities, np.zeros(12, np.int64), w), cases)


def test_a_shared_error_cancels_in_the_paired_difference() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(80) % 2
    logits = np.stack([np.zeros(80), labels + rng.normal(size=80)], axis=1)
    cases = [f"c{i}" for i in range(80)]

    def measure(of: np.ndarray):
        return lambda w: macro_auroc(softmax(of, axis=1), labels, w)

    same = paired_difference(measure(logits + 0.0), measure(logits), cases)
    assert (same.value, same.ci_low, same.ci_high) == (0.0, 0.0, 0.0)
    assert verdict(same) == "met"
    worse = paired_difference(measure(-logits), measure(logits), cases)
    assert verdict(worse) == "missed"
    noisy = logits + np.stack([np.zeros(80), rng.normal(scale=0.4, size=80)], axis=1)
    assert verdict(paired_difference(measure(noisy), measure(logits), cases)) == "inconclusive"


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-0.009, 0.02, "met"),
        (-0.01, 0.02, "inconclusive"),
        (-0.05, -0.011, "missed"),
        (-0.05, -0.01, "inconclusive"),
        (0.01, 0.02, "met"),
    ],
)
def test_verdicts_at_the_margin(low: float, high: float, told: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high, 50, 2000)) == told

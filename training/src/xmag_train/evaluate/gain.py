"""What distilling was worth to the head: its AUROC on the student, on the student before that, and on the teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xmag_train.metrics.bootstrap import Interval, UndefinedFigureError, interval_in_words, paired_difference
from xmag_train.metrics.classification import measures, slide_metrics

LEVEL = "95 %: "
Verdict = Literal["helped", "did not help", "harmed", "undefined"]


@dataclass(frozen=True)
class HeadGain:
    """AUROC of the same head on each arm's bags, the same folds; ``difference``: student minus undistilled, paired.

    ``words``: a sentence or two that say it plainly. None: too few cases of a class.
    """

    student: str
    undistilled: str
    teacher: str
    auroc: Mapping[str, Interval | None]
    difference: Interval | None
    verdict: Verdict
    words: str


def head_gain(
    logits: Mapping[str, NDArray[np.float64]],
    arms: tuple[str, str, str],
    labels: NDArray[np.int64],
    cases: Sequence[str],
) -> HeadGain:
    """``logits``: arm → out-of-fold [n, C] of the same slides; ``arms``: names of student, undistilled and teacher."""
    auroc = {arm: slide_metrics(logits[arm], labels, cases)["auroc"] for arm in arms}
    student, undistilled, teacher = arms
    try:
        ours, theirs = (measures(logits[arm], labels)["auroc"] for arm in (student, undistilled))
        difference = paired_difference(ours, theirs, cases)
    except UndefinedFigureError:
        difference = None
    verdict = verdict_of(difference)
    return HeadGain(
        student, undistilled, teacher, auroc, difference, verdict, in_words(auroc, difference, verdict, arms)
    )


def verdict_of(difference: Interval | None) -> Verdict:
    """Helped or harmed only where the whole 95 % interval says so; whatever lies between did not help."""
    if difference is None:
        return "undefined"
    if difference.ci_low > 0.0:
        return "helped"
    return "harmed" if difference.ci_high < 0.0 else "did not help"


def in_words(
    auroc: Mapping[str, Interval | None], difference: Interval | None, verdict: Verdict, arms: tuple[str, str, str]
) -> str:
    """For the report and the model card alike."""
    student, undistilled, teacher = arms
    if difference is None or any(found is None for found in auroc.values()):
        return "Whether distilling helped the head is not known: too few cases of a class to define its AUROC."
    told = ", ".join(f"{interval_in_words(auroc[arm], note=LEVEL)} on {arm}" for arm in (student, undistilled, teacher))
    apart = interval_in_words(difference, "+", LEVEL)
    figures = f"The head's AUROC is {told}; {student} minus {undistilled}: {apart}."
    if verdict == "helped":
        return f"Distilling helped the head. {figures}"
    if verdict == "harmed":
        return f"Distilling harmed the head: it does worse on {student} than on {undistilled}. {figures}"
    if difference.value > 0.0:
        return (
            f"Distilling did not help the head as far as {difference.n_cases} cases can tell: its AUROC is higher, but "
            f"the interval of the difference includes 0. {figures}"
        )
    return f"Distilling did not help the head: its AUROC is no higher with it than without. {figures}"

"""Percentile bootstrap that draws cases, never slides: slides of a case are not independent.

Efron and Tibshirani 1993, chapter 13 (percentile interval); Field and Welsh 2007 (resampling of whole clusters).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Measure = Callable[[FloatArray], FloatArray]
Verdict = Literal["met", "missed", "inconclusive"]
DRAWS = 2000
RETENTION_MARGIN = 0.01


class UndefinedFigureError(ValueError):
    """The cases do not hold every class often enough for the figure to have a value and an interval."""


@dataclass(frozen=True)
class Interval:
    """A figure, its 95 % interval, how many cases it rests on, and how many draws left it defined."""

    value: float
    ci_low: float
    ci_high: float
    n_cases: int
    n_draws: int

    def as_dict(self) -> dict[str, float | int]:
        """For JSON."""
        return asdict(self)


def interval_in_words(found: Interval | None, sign: str = "", note: str = "", missing: str = "undefined") -> str:
    """`0.807 (0.624 to 0.926)`. ``sign`` "+": of differences; ``note``: before the interval, in its brackets."""
    if found is None:
        return missing
    return f"{found.value:{sign}.3f} ({note}{found.ci_low:{sign}.3f} to {found.ci_high:{sign}.3f})"


def case_weights(cases: Sequence[str], draws: int, seed: int) -> FloatArray:
    """How often each slide's case is drawn: [draws, n]; slides of one case share their number."""
    names, index = np.unique(np.asarray(cases), return_inverse=True)
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, index].astype(np.float64)


def interval(measure: Measure, cases: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Interval:
    """``measure``: weights [B, n] → [B]. Draws in which it is undefined (NaN) are left out and counted.

    UndefinedFigureError where the figure itself is undefined, or fewer than half of the draws define it.
    """
    value = float(measure(np.ones((1, len(cases))))[0])
    drawn = measure(case_weights(cases, draws, seed))
    defined = drawn[~np.isnan(drawn)]
    if np.isnan(value) or len(defined) < draws / 2:
        raise UndefinedFigureError(f"{len(set(cases))} cases do not hold every class often enough")
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(value, float(low), float(high), len(set(cases)), len(defined))


def paired_difference(
    ours: Measure, theirs: Measure, cases: Sequence[str], draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Ours minus theirs on the same slides and the same draws."""
    return interval(lambda weights: ours(weights) - theirs(weights), cases, draws, seed)


def verdict(difference: Interval, margin: float = RETENTION_MARGIN) -> Verdict:
    """Whether no more than ``margin`` was lost: the whole interval above −margin, wholly below it, or neither."""
    if difference.ci_low > -margin:
        return "met"
    if difference.ci_high < -margin:
        return "missed"
    return "inconclusive"

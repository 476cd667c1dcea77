"""Attention on a scale that can be compared between slides: the share of a slide's tiles with as little or less."""

import numpy as np

from app.slides.types import Float32Array


def attention_percentiles(attention: Float32Array) -> Float32Array:
    """Percentile of each tile within its slide: 100 × share of tiles with attention ≤ its own.

    ``attention``: [N] raw weights, N ≥ 1. Returns float32 [N], above 0 and at most 100; ties get the same value
    and the strongest tile always gets 100 (a slide of one tile too).
    """
    ranked = np.sort(attention)
    at_most = np.searchsorted(ranked, attention, side="right")
    return (100.0 * at_most / len(attention)).astype(np.float32)


def attention_at(attention: Float32Array, percentile: float) -> float:
    """The raw weight that stands at ``percentile`` (0 to 100) of the slide: always one of its tiles' own values.

    The smallest weight whose percentile reaches ``percentile``; 0 gives the weakest tile, 100 the strongest.
    """
    return float(np.quantile(attention, percentile / 100.0, method="inverted_cdf"))

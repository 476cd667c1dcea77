"""A scale that is comparable between slides: the share of a slide's tiles with an equal or lower value."""

import numpy as np

from app.slides.types import Float32Array


def percentiles(values: Float32Array) -> Float32Array:
    """Percentile of each tile within its slide: 100 × share of tiles with a value ≤ its own.

    ``values``: [N]. Returns float32 [N], above 0 and at most 100. Ties get the same value. The strongest tile
    always gets 100 (a slide of one tile too).
    """
    ranked = np.sort(values)
    at_most = np.searchsorted(ranked, values, side="right")
    return (100.0 * at_most / max(1, len(values))).astype(np.float32)


def value_at(values: Float32Array, percentile: float) -> float:
    """The value that stands at ``percentile`` (0 to 100) of the slide: always one of its tiles' own. N ≥ 1.

    The smallest value whose percentile reaches ``percentile``; 0 gives the weakest tile, 100 the strongest.
    """
    return float(np.quantile(values, percentile / 100.0, method="inverted_cdf"))

"""The place of a tile's number on a colour scale."""

from typing import Literal

import numpy as np

from app.results.percentile import percentiles
from app.slides.types import Float32Array

Scale = Literal["percentile", "raw"]


def places(values: Float32Array, scale: Scale) -> Float32Array:
    """Where each value (float32 [N]) stands from 0 to 100: its percentile, or linear from the least to the most."""
    if scale == "percentile" or len(values) == 0:
        return percentiles(values)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.full(len(values), 100.0, np.float32)
    return ((values - np.float32(low)) * np.float32(100.0 / (high - low))).clip(0, 100).astype(np.float32)

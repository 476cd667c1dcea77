"""The thumbnail as people get it: no larger than a page or a screen shows."""

from typing import Final

import numpy as np
from PIL import Image

from app.slides.types import UInt8Array

THUMBNAIL_MAX_PX: Final = 1600
"""The longer side."""


def shrunk(thumbnail: UInt8Array) -> UInt8Array:
    """uint8 [h, w, 3] of its own, reduced so that no side is longer than ``THUMBNAIL_MAX_PX``."""
    height, width = thumbnail.shape[:2]
    factor = THUMBNAIL_MAX_PX / max(height, width)
    if factor >= 1:
        return thumbnail.copy()
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(thumbnail).resize(size, Image.Resampling.BOX))

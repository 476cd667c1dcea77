"""The thumbnail as people get it: no larger than a page or a screen shows."""

import math
from typing import Final

import numpy as np
from PIL import Image

from app.slides.tissue.box_filter import strips
from app.slides.types import UInt8Array

THUMBNAIL_MAX_PX: Final = 1600
"""The longer side."""


def shrunk(thumbnail: UInt8Array) -> UInt8Array:
    """uint8 [h, w, 3] of its own, reduced so that no side is longer than ``THUMBNAIL_MAX_PX``."""
    height, width = thumbnail.shape[:2]
    factor = THUMBNAIL_MAX_PX / max(height, width)
    if factor >= 1:
        return thumbnail.copy()
    small_width, small_height = max(1, round(width * factor)), max(1, round(height * factor))
    small: UInt8Array = np.empty((small_height, small_width, 3), np.uint8)
    step = height / small_height
    for rows in strips(small_height):
        top, bottom = rows.start * step, min(rows.stop * step, height)
        first, last = math.floor(top), min(math.ceil(bottom), height)
        size, box = (small_width, rows.stop - rows.start), (0, top - first, width, bottom - first)
        small[rows] = np.asarray(Image.fromarray(thumbnail[first:last]).resize(size, Image.Resampling.BOX, box=box))
    return small

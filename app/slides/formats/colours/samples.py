"""Pixels from all over a level, to judge it by."""

import numpy as np
import openslide

from app.slides.types import UInt8Array

_WHOLE_PX = 1024
"""A level no larger than this is sampled whole."""
_PLACES, _PLACE_PX = 6, 128
"""Patches along each side of a larger one."""


def sampled(slide: openslide.OpenSlide, number: int) -> UInt8Array:
    """uint8 [n, 4]: RGBA of a level as OpenSlide returns it. Raises OpenSlideError."""
    width, height = slide.level_dimensions[number]
    if max(width, height) <= _WHOLE_PX:
        places, size = [(0, 0)], (width, height)
    else:
        steps = [(place + 0.5) / _PLACES for place in range(_PLACES)]
        full_width, full_height = slide.dimensions
        places = [(int(full_width * x), int(full_height * y)) for y in steps for x in steps]
        size = (_PLACE_PX, _PLACE_PX)
    return np.concatenate([np.asarray(slide.read_region(place, number, size)).reshape(-1, 4) for place in places])

"""Slides whose background is dark: fluorescence, dark field, or 16-bit files that use a part of their range."""

import numpy as np

from app.errors import SlideUnsupportedError
from app.slides.colour import brightest_channel
from app.slides.types import UInt8Array

_DARK, _BLACK, _BRIGHT = 64, 24, 160
_DARK_MIN = 0.4
"""Of a dark-field picture; less where it is full of tissue, which then is found or not."""
_BRIGHT_MAX = 0.35
"""Of what is not black. Stained tissue on glass has 0.84 and more, stained nuclei on black 0.0 to 0.2."""


def refuse_dark_field(thumbnail: UInt8Array) -> None:
    """Raises SlideUnsupportedError for uint8 [h, w, 3] of a slide that is no bright-field image.

    A bright slide in a black frame is one: the frame does not count.
    """
    levels = brightest_channel(thumbnail)
    lit = np.count_nonzero(levels > _BLACK)
    if np.mean(levels < _DARK) < _DARK_MIN or np.count_nonzero(levels >= _BRIGHT) > _BRIGHT_MAX * lit:
        return
    raise SlideUnsupportedError(
        "The slide's background is dark: it is fluorescence or dark field, or its 16-bit pixels use only a part of "
        "their range. Send a bright-field scan, or convert it to 8-bit RGB."
    )

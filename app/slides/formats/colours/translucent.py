"""Refuses slides that are translucent: blending them with white would make pale tissue of dark.

Scanned areas are opaque, and what lies between them is clear. Writers that fill the alpha channel with another value
also spoil the colours of their smaller levels, so that alpha cannot be ignored either.
"""

import numpy as np
import openslide

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.colours.samples import sampled

_OPAQUE = 255
_TRANSLUCENT_MAX = 0.05
"""Fraction of the pixels that are not clear. The edges of scanned areas may be smoothed."""


def refuse_translucent(slide: openslide.OpenSlide) -> None:
    """Raises SlideUnsupportedError if a level of ``slide`` is translucent, or clear throughout; OpenSlideError."""
    for number in range(slide.level_count):
        alpha = sampled(slide, number)[:, 3]
        seen = np.count_nonzero(alpha)
        if seen == 0 and number == 0:
            raise SlideUnsupportedError(sentences.TRANSLUCENT(alpha=0))
        if np.count_nonzero(alpha == _OPAQUE) < (1 - _TRANSLUCENT_MAX) * seen:
            raise SlideUnsupportedError(sentences.TRANSLUCENT(alpha=int(np.median(alpha[alpha > 0]))))

"""Refuses images that are not a bright-field slide in true colours, before anything is concluded from them.

Fluorescence, dark field and 16-bit files that use part of their range are dark. Colours that neither header nor tiles
describe rightly are seen by their glass: YCbCr shown as RGB makes it salmon, RGB taken for YCbCr makes it magenta.
"""

import math

import numpy as np

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.colours.channels import judge_channels
from app.slides.tissue.colour import brightest_channel
from app.slides.types import UInt8Array

_PIXELS = 200_000
_DARK, _BLACK, _BRIGHT = 64, 24, 160
_DARK_MIN = 0.4
_BRIGHT_MAX = 0.35
"""Bright fraction of the pixels that are not black. Tissue on glass has at least 0.84, nuclei on black 0.0 to 0.2."""
_SATURATED, _MAGENTA_GREEN = 252, 185
_MAGENTA_MAX = 0.02
"""Fraction of all pixels. Real slides have less than 0.00001; read as YCbCr, at least 0.12."""


def refuse_no_bright_field(thumbnail: UInt8Array) -> None:
    """Raises SlideUnsupportedError unless uint8 [h, w, 3] of an entire slide is a bright-field image in true colours.

    A bright slide in a black frame is one: the frame does not count.
    """
    step = math.ceil(math.sqrt(thumbnail.shape[0] * thumbnail.shape[1] / _PIXELS))
    pixels = np.ascontiguousarray(thumbnail[::step, ::step])
    if _is_dark(pixels):
        raise SlideUnsupportedError(sentences.DARK_BACKGROUND)
    refuse_wrong_colours(pixels)


def refuse_wrong_colours(pixels: UInt8Array) -> None:
    """Raises SlideUnsupportedError if uint8 [..., 3], pixels from all over a slide, are not in true colours."""
    said, true = ("RGB", "YCbCr") if judge_channels(pixels) == "ycbcr" else ("YCbCr", "RGB")
    if true == "YCbCr" or _is_magenta(pixels):
        raise SlideUnsupportedError(sentences.COLOURS_WRONG(colours=said, true_colours=true))


def _is_dark(pixels: UInt8Array) -> bool:
    levels = brightest_channel(pixels)
    lit = np.count_nonzero(levels > _BLACK)
    return bool(np.mean(levels < _DARK) >= _DARK_MIN and np.count_nonzero(levels >= _BRIGHT) <= _BRIGHT_MAX * lit)


def _is_magenta(pixels: UInt8Array) -> bool:
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    magenta = (red >= _SATURATED) & (blue >= _SATURATED) & (green <= _MAGENTA_GREEN)
    return bool(magenta.mean() > _MAGENTA_MAX)

"""Tells RGB from YCbCr by the pixels of a bright-field slide, if nothing else does.

Glass is the brightest colour of a slide and almost grey. In RGB its three channels are alike; in YCbCr its Cb and Cr
lie near 128. All of a stained slide's Cb and Cr lie around 128, which of its G and B only a small part does.
"""

import numpy as np

from app.slides.formats.codestream import Colours
from app.slides.types import UInt8Array

PIXELS_MIN = 1000
_BRIGHTEST = 98.0
"""Percentile of the first channel."""
_BRIGHT = 160
_CHROMA, _CHROMA_BLUE, _CHROMA_RED = 128, 50, 60
"""Largest distance of a stain's Cb and Cr from 128."""
_GLASS_CHROMA = 24
_SHARE_YCBCR, _SHARE_RGB = 0.97, 0.8
"""Pixels within that distance: at least this fraction in YCbCr, at most in RGB. Real: 0.99 to 1.0, 0.01 to 0.56."""


def judge_channels(pixels: UInt8Array) -> Colours | None:
    """Whether uint8 [..., 3] samples of an entire slide are RGB or YCbCr; None if in doubt."""
    first, second, third = pixels.reshape(-1, 3).T.astype(np.int16)
    # Padding: white or black, as RGB or as YCbCr.
    is_scanned = (first > 0) & (first < 254) if first.size else np.zeros(0, np.bool_)
    first, second, third = first[is_scanned], second[is_scanned], third[is_scanned]
    if len(first) < PIXELS_MIN:
        return None
    bright = first >= np.percentile(first, _BRIGHTEST)
    glass = [float(np.median(channel[bright])) for channel in (first, second, third)]
    near = (np.abs(second - _CHROMA) <= _CHROMA_BLUE) & (np.abs(third - _CHROMA) <= _CHROMA_RED)
    share = float(near.mean())
    if glass[0] < _BRIGHT:
        return None
    if share >= _SHARE_YCBCR and max(abs(channel - _CHROMA) for channel in glass[1:]) <= _GLASS_CHROMA:
        return "ycbcr"
    if share <= _SHARE_RGB and min(glass) >= _BRIGHT:
        return "rgb"
    return None

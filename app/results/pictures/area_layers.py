"""Tissue and quality as transparent layers over the whole level-0 extent, for viewers.

Colours are Okabe and Ito's, distinct with every common colour blindness. None of them is one of H&E's, and no palette
of attention ends in one.
"""

from typing import Final

import numpy as np
from PIL import Image

from app.results.pictures.overlay import index_for
from app.results.slide_result import TileMaps
from app.slides.tissue.sharpness import BLURRED, SHARP
from app.slides.types import DARK, PEN, BoolArray, Float32Array, UInt8Array

Colour = tuple[int, int, int]
TISSUE_RGB: Final[Colour] = (0, 158, 115)
PEN_RGB: Final[Colour] = (230, 159, 0)
DARK_RGB: Final[Colour] = (0, 114, 178)
BLUR_RGB: Final[Colour] = (213, 94, 0)
_FILL: Final = 90
_STRONG: Final = 200
_LINE: Final = 255


def tissue_layer(tissue_mask: BoolArray) -> Image.Image:
    """RGBA in the mask's frame: tissue lightly filled, its rim drawn."""
    inside = _inside(tissue_mask)
    rgba = np.zeros((*tissue_mask.shape, 4), np.uint8)
    rgba[tissue_mask] = (*TISSUE_RGB, _LINE)
    rgba[inside, 3] = _FILL
    return Image.fromarray(rgba)


def qc_layer(artefacts: UInt8Array, maps: TileMaps) -> Image.Image:
    """RGBA in the frame of ``artefacts``: ink, what is too dark, and tiles judged out of focus."""
    height, width = artefacts.shape
    rgba = np.zeros((height, width, 4), np.uint8)
    blurred = np.append(is_blurred(maps.sharpness), False)  # the last is for pixels of no tile
    rgba[index_for(maps, (width, height)).spread(blurred)] = (*BLUR_RGB, _STRONG)
    for value, colour in ((DARK, DARK_RGB), (PEN, PEN_RGB)):
        rgba[artefacts == value] = (*colour, _STRONG)
    return Image.fromarray(rgba)


def is_blurred(sharpness: Float32Array) -> BoolArray:
    """Which tiles (sharpness [N]) count for more than half as out of focus; those not judged (NaN) do not."""
    with np.errstate(invalid="ignore"):
        blurred: BoolArray = sharpness < (BLURRED + SHARP) / 2
    return blurred


def _inside(mask: BoolArray) -> BoolArray:
    """The mask without its rim of two px."""
    inside = mask.copy()
    for _ in range(2):
        core = np.pad(inside, 1)
        inside = core[1:-1, 1:-1] & core[:-2, 1:-1] & core[2:, 1:-1] & core[1:-1, :-2] & core[1:-1, 2:]
    return inside

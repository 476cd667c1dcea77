"""tissue_mask.png and qc_mask.png: what was taken for tissue, and what was left out as ink or too dark."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from app.slides.types import BoolArray, UInt8Array

_QC_COLOURS: Final = (255, 255, 255, 230, 159, 0, 0, 114, 178)
"""Of nothing, PEN and DARK: for people who open the file; programs read the values 0, 1 and 2."""


def render_tissue_mask(tissue_mask: BoolArray) -> Image.Image:
    """8-bit grey picture in the thumbnail's frame (the whole level-0 extent): 255 tissue, 0 the rest."""
    return Image.fromarray(tissue_mask.astype(np.uint8) * 255)


def render_qc_mask(artefacts: UInt8Array) -> Image.Image:
    """Picture with a palette in the thumbnail's frame; values ``PEN``, ``DARK`` and 0."""
    picture = Image.fromarray(artefacts)
    picture.putpalette(_QC_COLOURS)
    return picture


def read_tissue_mask(path: Path) -> BoolArray:
    """bool [h, w] of a tissue_mask.png."""
    with Image.open(path) as picture:
        return np.asarray(picture) > 0


def read_qc_mask(path: Path) -> UInt8Array:
    """uint8 [h, w] of a qc_mask.png: ``PEN``, ``DARK`` or 0."""
    with Image.open(path) as picture:
        return np.asarray(picture)

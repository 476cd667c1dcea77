"""Means of neighbouring pixels, to the bit those of Pillow, in a fraction of its time.

A picture is worked on in strips of rows: what is computed pixel by pixel then stays in a core's cache and takes little
memory.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.slides.types import UInt8Array

_UInt16Array = NDArray[np.uint16]
_ONE, _THREE = np.uint16(1), np.uint16(3)
STRIP_ROWS = 48


def strips(height: int) -> Iterator[slice]:
    """Slices of rows, in order, that make up ``height``."""
    for start in range(0, height, STRIP_ROWS):
        yield slice(start, min(start + STRIP_ROWS, height))


def box_mean(picture: UInt8Array) -> UInt8Array:
    """The mean over 3 × 3 pixels: uint8 [h, w] or [h, w, c], each channel for itself, of the same shape.

    As Pillow's BoxBlur(1) (its BoxBlur.c): along the rows, then down the columns, each to the nearest whole value.
    Beyond the edge the outermost pixel is repeated.
    """
    height = len(picture)
    out: UInt8Array = np.empty(picture.shape, np.uint8)
    for rows in strips(height):
        near = np.clip(np.arange(rows.start - 1, rows.stop + 1), 0, height - 1)
        wide = picture[near].astype(np.uint16)
        wide = np.concatenate([wide[:, :1], wide, wide[:, -1:]], axis=1)
        along = _third(wide[:, :-2], wide[:, 1:-1], wide[:, 2:])
        out[rows] = _third(along[:-2], along[1:-1], along[2:])
    return out


def block_mean(picture: UInt8Array, factor: int) -> UInt8Array:
    """The mean of each ``factor`` × ``factor`` pixels, fewer at the far edges: uint8 [h, w, 3], sides rounded up.

    As Pillow's ``Image.reduce``, whose copy of a large picture at once would be mostly memory to come by.
    """
    if factor == 1:
        return picture
    height, width = (-(-side // factor) for side in picture.shape[:2])
    out: UInt8Array = np.empty((height, width, 3), np.uint8)
    for rows in strips(height):
        strip = Image.fromarray(picture[rows.start * factor : rows.stop * factor])
        out[rows] = np.asarray(strip.reduce(factor))
    return out


def _third(first: _UInt16Array, second: _UInt16Array, third: _UInt16Array) -> _UInt16Array:
    return np.asarray((first + second + third + _ONE) // _THREE)

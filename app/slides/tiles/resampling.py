"""Tiles brought to the model's size by Pillow's filters; its LANCZOS as products of matrices, three times faster.

A resize along one axis is a product with a matrix whose rows hold the filter's taps, a few columns wide each. Cut into
bands of a few outputs, the products are small and dense. A BLAS computes these at the processor's full speed, while
Pillow's C goes tap by tap. As in Pillow, rows come first, and whole values between 0 and 255 are kept between the two
passes. Taps beyond the image's edge are left out. Weights are whole multiples of 2⁻¹⁵, so that float32 holds every
product and every sum of them without rounding. The pixels are therefore the same on every processor, with any number of
threads and in any order of the BLAS's additions. One value in a hundred differs from Pillow's, by 1. Source of the
weights: Pillow's Resample.c (support = half-width × scale, pixel centres at +0.5, normalised).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.slides.types import Float32Array, ResampleFilter, UInt8Array

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in px of the image that it is a part of."""
_HALF_WIDTH = 3
_WEIGHT_ONE = 2**15
"""Sums stay below 2²⁴ of these units for taps of up to 2 in absolute value together; LANCZOS has less than 1.5."""
_COLUMN_BAND_PX = 12
"""Outputs of one product: more would multiply more zeros, fewer would be many small calls."""
_ROW_BAND_PX = 5
"""Along the rows two thirds of what is multiplied is another channel's zeros: narrower is better."""
_PASSES_KEPT = 64
"""A slide has few distinct passes: tiles start at a handful of fractions of a level px."""
_CHANNELS = 3


@dataclass(frozen=True)
class _Band:
    """Outputs ``out`` come from inputs ``taken`` by ``weights``: float32 [outputs, inputs]."""

    out: slice
    taken: slice
    weights: Float32Array


def resize_tile(region: UInt8Array, box: Box, px: int, how: ResampleFilter) -> UInt8Array:
    """The part ``box`` of uint8 [h, w, 3] as uint8 [px, px, 3].

    "box" is for making smaller: enlarging (a level that is a little too coarse) it would repeat pixels, so that
    LANCZOS does that.
    """
    left, top, right, bottom = box
    if how == "box" and right - left >= px and bottom - top >= px:
        return np.asarray(Image.fromarray(region).resize((px, px), Image.Resampling.BOX, box=box))
    return _lanczos(region, box, px)


def _lanczos(region: UInt8Array, box: Box, px: int) -> UInt8Array:
    height, width, _ = region.shape
    left, top, right, bottom = box
    rows: Float32Array = region.reshape(height, width * _CHANNELS).astype(np.float32)
    narrow: Float32Array = np.empty((height, px * _CHANNELS), np.float32)
    for band in _interleaved_bands(left, right, width, px):
        np.matmul(rows[:, band.taken], band.weights, out=narrow[:, band.out])
    _make_whole(narrow)
    small: Float32Array = np.empty((px, px * _CHANNELS), np.float32)
    for band in _column_bands(top, bottom, height, px):
        np.matmul(band.weights, narrow[band.taken], out=small[band.out])
    _make_whole(small)
    return small.astype(np.uint8).reshape(px, px, _CHANNELS)


def _make_whole(values: Float32Array) -> None:
    np.rint(values, out=values)
    np.clip(values, 0, 255, out=values)


@lru_cache(_PASSES_KEPT)
def _column_bands(begin: float, end: float, count: int, px: int) -> tuple[_Band, ...]:
    """The pass down the columns, to be multiplied from the left."""
    return _bands(begin, end, count, px, _COLUMN_BAND_PX)


def _bands(begin: float, end: float, count: int, px: int, band_px: int) -> tuple[_Band, ...]:
    """The pass from ``count`` inputs, of which ``begin`` to ``end`` are shown, to ``px`` outputs."""
    matrix, first, last = _matrix(begin, end, count, px)
    bands = []
    for start in range(0, px, band_px):
        out = slice(start, min(start + band_px, px))
        taken = slice(int(first[out].min()), int(last[out].max()))
        bands.append(_Band(out, taken, np.ascontiguousarray(matrix[out, taken])))
    return tuple(bands)


@lru_cache(_PASSES_KEPT)
def _interleaved_bands(begin: float, end: float, count: int, px: int) -> tuple[_Band, ...]:
    """The same for rows of RGB RGB ..., to be multiplied from the right: each channel meets its own only."""
    wide = []
    for band in _bands(begin, end, count, px, _ROW_BAND_PX):
        outputs, inputs = band.weights.shape
        weights: Float32Array = np.zeros((inputs * _CHANNELS, outputs * _CHANNELS), np.float32)
        for channel in range(_CHANNELS):
            weights[channel::_CHANNELS, channel::_CHANNELS] = band.weights.T
        wide.append(_Band(_threefold(band.out), _threefold(band.taken), weights))
    return tuple(wide)


def _threefold(pixels: slice) -> slice:
    return slice(pixels.start * _CHANNELS, pixels.stop * _CHANNELS)


def _matrix(begin: float, end: float, count: int, px: int) -> tuple[Float32Array, NDArray[np.int64], NDArray[np.int64]]:
    """float32 [px, count] of whole 2⁻¹⁵ whose rows sum to 1, and from where to where (excluded) each row has taps."""
    ratio = (end - begin) / px
    scale = max(ratio, 1.0)
    centres = begin + (np.arange(px) + 0.5) * ratio
    # Truncated towards zero, as C does.
    first = np.maximum((centres - _HALF_WIDTH * scale + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + _HALF_WIDTH * scale + 0.5).astype(np.int64), count)
    taps = first[:, None] + np.arange(int((last - first).max()))
    inside = taps < last[:, None]
    at = (taps + 0.5 - centres[:, None]) / scale
    weights = np.where(inside & (np.abs(at) < _HALF_WIDTH), np.sinc(at) * np.sinc(at / _HALF_WIDTH), 0.0)
    weights = np.rint(weights / weights.sum(axis=1, keepdims=True) * _WEIGHT_ONE)
    weights[np.arange(px), weights.argmax(axis=1)] += _WEIGHT_ONE - weights.sum(axis=1)
    weights /= _WEIGHT_ONE
    matrix = np.zeros((px, count), np.float32)
    matrix[np.nonzero(inside)[0], taps[inside]] = weights[inside]
    return matrix, first, last

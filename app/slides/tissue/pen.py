"""Marker ink on the glass, told from stains by the direction of its optical density.

H&E always absorbs most in green. On 60 slides the red and blue densities of stained tissue stay below 0.85 and 0.9 of
the green one. (Ruifrok & Johnston 2001 give 0.93 and 0.41 for haematoxylin, 0.07 and 0.11 for eosin.) Red cells come to
1.0 in blue but keep some density in red. Inks lie outside of that.
"""

import numpy as np

from app.slides.tissue.box_filter import strips
from app.slides.tissue.colour import brightest_channel, optical_density
from app.slides.tissue.regions import Regions, dilate, find_regions
from app.slides.types import BoolArray, Float32Array, UInt8Array

_MIN_AREA_MM2 = 0.02  # a stroke; less is dust or a fibre
_GROW_UM = 32  # the faded rim of a stroke
_MIN_BACKGROUND = 100  # a darker glass means a picture too dark to tell ink from shadow
_BLACK = 45  # at most, in every channel: no light at all
_MIN_BOX_FILL = 0.9
_MIN_SIDE_SHARE = 0.9


def find_pen(rgb: UInt8Array, background: Float32Array, mpp: float) -> BoolArray:
    """Blue, green, violet, red and black ink: bool [h, w].

    rgb: uint8 [h, w, 3]; background: the glass's colour, float32 [3]; mpp: µm/px, 8 to 40.
    """
    shape = rgb.shape[:2]
    if background.max() < _MIN_BACKGROUND:
        return np.zeros(shape, np.bool_)
    min_px = max(_MIN_AREA_MM2 * 1e6 / mpp**2, 4)
    cool, bluish, red, black = inks = np.empty((4, *shape), np.bool_)
    for rows in strips(len(rgb)):
        _looks_like_ink(optical_density(rgb[rows], background), inks[:, rows])
    black &= ~_unscanned(rgb, mpp)
    pen = _strokes(cool, bluish, min_px)
    for ink in (red, black):
        pen |= _strokes(ink, ink, min_px)
    return dilate(pen, max(1, round(_GROW_UM / mpp)))


def _looks_like_ink(density: Float32Array, out: BoolArray) -> None:
    """By density alone (float32 [3, h, w]), into bool [4, h, w]: blue, green or violet; bluish; red; black."""
    red, green, blue = density
    total = density.sum(axis=0)
    cold = ((red > 1.05 * green) & (total > 0.45)) | ((red > 0.95 * green) & (blue < 0.8 * green) & (total > 0.9))
    violet = (red > 0.85 * green) & (blue < 0.42 * green) & (total > 0.6)
    warm = (green > 0.4) & (red < 0.25 * green) & (blue > 0.65 * green)
    crimson = (green > 0.6) & (red < 0.15 * green) & (blue > 0.55 * green)
    darkest = density.min(axis=0)
    out[0] = cold | violet
    out[1] = (red > 0.9 * green) & (total > 0.3)
    out[2] = warm | crimson
    out[3] = ((darkest > 0.75 * density.max(axis=0)) & (total > 1.5)) | (darkest > 0.8)


def _strokes(core: BoolArray, loose: BoolArray, min_px: float) -> BoolArray:
    """Regions of ``loose`` that hold at least ``min_px`` pixels of ``core``."""
    if np.count_nonzero(core) < min_px:
        return np.zeros_like(core)
    regions = find_regions(core | loose)
    return regions.mask(regions.counts(core) >= min_px)


def _unscanned(rgb: UInt8Array, mpp: float) -> BoolArray:
    """Black that is a border or a missing field: rectangles at the edge, whole sides, or large rectangles inside."""
    black = brightest_channel(rgb) <= _BLACK
    if not black.any():
        return black
    regions = find_regions(black)
    boxes = regions.boxes()
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas = regions.areas()
    fill = areas / (width * height)
    large = areas * mpp**2 >= 1e6
    box_like = (fill >= _MIN_BOX_FILL) & (regions.touch_edge() | large)
    return regions.mask(box_like | _whole_side(regions, black))


def _whole_side(regions: Regions, black: BoolArray) -> BoolArray:
    """Which regions cover one whole side of the picture (a frame is one region and no rectangle)."""
    covers = np.zeros(regions.count, np.bool_)
    for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        line = np.zeros_like(black)
        line[side] = black[side]
        covers |= regions.counts(line) >= _MIN_SIDE_SHARE * line[side].size
    return covers

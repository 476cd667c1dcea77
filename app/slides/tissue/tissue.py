"""Where the tissue is on a slide seen from afar, and what else lies there: ink, darkness.

Stain gives colour; dust, shadows, scratches and uneven light do not. The rule is therefore the spread of the
optical density over the channels, against the slide's own glass. Fat has hardly any, but a lattice of cell walls:
fine texture counts too. Either is tissue only where it hangs together with something clearly stained.
"""

from dataclasses import dataclass

import numpy as np

from app.slides.helper_threads import helpers
from app.slides.tissue.box_filter import block_mean, box_mean, strips
from app.slides.tissue.colour import background_colour, brightest_channel, optical_density
from app.slides.tissue.pen import find_pen
from app.slides.tissue.regions import close, dilate, erode, fill_small_holes, find_regions, keep_large
from app.slides.types import BoolArray, Float32Array, UInt8Array

_WORK_UM = 16  # µm/px at which the masks are made: six pixels for the smallest fragment
_SMOOTH_BELOW_UM = 20  # coarser pixels have averaged enough already
_SPREAD = 0.012  # density spread over the channels of the palest stain; haze beside tissue stays below 0.01
_SPREAD_SURE = 0.018
_SPREAD_TRACE = 0.003  # what is left of the colour in fat; steps in bare glass have less
_TEXTURE = 0.0027  # density step of a lattice of fat cells; clean glass has 0.0005, haze none
_CLEAR = 0.015  # density below which a pixel may be glass
_STEP_UNITS, _STEP_MAX = np.uint8(16), np.uint8(15)  # units of a grey level; levels at most, which uint8 holds
_NOISE_FACTOR = 3
_GAP_UM = 40  # half of a fat cell's width: the lattice closes
_SURE_SHARE = 0.4
_MIN_TISSUE_MM2 = 0.005  # a round fragment of 80 µm
_MAX_HOLE_MM2 = 0.05  # a gland's lumen, a few fat cells
_DARK = 80  # no channel above it: shadow, fold, dirt, border
_LIT_GLASS = 210  # darker glass is underexposed ...
_DARK_RISE = 0.25  # ... and each grey level of it raises the limit by so much
_MIN_DARK_MM2 = 0.01


@dataclass(frozen=True)
class TissueMasks:
    """Three disjoint masks, bool [h, w] in the thumbnail's frame."""

    tissue: BoolArray
    pen: BoolArray
    dark: BoolArray


def find_tissue(thumbnail: UInt8Array, mpp: float) -> TissueMasks:
    """Tissue, pen ink and darkness on a thumbnail: uint8 [h, w, 3] RGB of the whole slide, mpp its own µm/px.

    Meant for 2 to 40 µm/px. Keeps fragments of 100 µm and more. ``dark`` is judged by brightness as it is, not against
    the background. A slide that gets darker has more of it, never less, and less tissue.
    """
    factor = max(1, round(_WORK_UM / mpp))
    rgb = block_mean(thumbnail, factor)
    work_mpp = mpp * factor
    background = background_colour(rgb)
    is_smoothed = work_mpp < _SMOOTH_BELOW_UM
    looks = helpers().submit(_looks, box_mean(rgb) if is_smoothed else rgb, background)
    pen = find_pen(rgb, background, work_mpp)
    dark_limit = _DARK + _DARK_RISE * max(0.0, _LIT_GLASS - float(background.max()))
    dark = keep_large(brightest_channel(rgb) < dark_limit, _px(_MIN_DARK_MM2, work_mpp)) & ~pen
    texture = _texture(rgb[..., 1], background)
    tissue = _stained(looks.result(), texture, pen | dark, work_mpp)
    if is_smoothed:  # which carried the colour one pixel outwards
        rim = np.nonzero(tissue & ~erode(tissue, 1))
        tissue[rim] = _spread(optical_density(rgb[rim][None], background))[0] >= _SPREAD
    height, width = thumbnail.shape[:2]
    return TissueMasks(*(_enlarge(mask, factor, height, width) for mask in (tissue, pen, dark)))


@dataclass(frozen=True)
class _Looks:
    """Of each pixel: its density's spread over the channels, float32 [h, w], and whether it may be glass."""

    spread: Float32Array
    clear: BoolArray


def _looks(rgb: UInt8Array, background: Float32Array) -> _Looks:
    shape = rgb.shape[:2]
    looks = _Looks(np.empty(shape, np.float32), np.empty(shape, np.bool_))
    for rows in strips(len(rgb)):
        density = optical_density(rgb[rows], background)
        looks.spread[rows] = _spread(density)
        np.less(density.mean(axis=0), _CLEAR, out=looks.clear[rows])
    return looks


def _stained(looks: _Looks, texture: Float32Array, excluded: BoolArray, mpp: float) -> BoolArray:
    spread, clear = looks.spread, looks.clear
    coloured = spread >= _raised(spread, clear, _SPREAD)
    textured = (texture >= _raised(texture, clear, _TEXTURE)) & (spread >= _SPREAD_TRACE)
    gap_px = max(1, round(_GAP_UM / mpp))
    # An edge makes texture one pixel further out than it makes colour: that pixel is taken back.
    lattice = erode(dilate(textured & ~excluded, gap_px), gap_px + 1)
    regions = find_regions(close(coloured & ~excluded, 1) | lattice)
    sure = regions.counts((spread >= _SPREAD_SURE) & ~excluded) >= _SURE_SHARE * _px(_MIN_TISSUE_MM2, mpp)
    large = regions.areas() >= _px(_MIN_TISSUE_MM2, mpp)
    return fill_small_holes(regions.mask(sure & large) & ~excluded, _px(_MAX_HOLE_MM2, mpp)) & ~excluded


def _spread(density: Float32Array) -> Float32Array:
    spread: Float32Array = density.max(axis=0) - density.min(axis=0)
    return spread


def _raised(values: Float32Array, clear: BoolArray, threshold: float) -> float:
    """The threshold, or up to twice of it where the glass itself is noisy, by the median."""
    quiet, total = np.count_nonzero(clear & (values <= threshold / _NOISE_FACTOR)), np.count_nonzero(clear)
    if total == 0 or 2 * quiet > total:  # the median is among the quiet, and raises nothing
        return threshold
    return min(max(threshold, _NOISE_FACTOR * float(np.median(values[clear]))), 2 * threshold)


def _texture(green: UInt8Array, background: Float32Array) -> Float32Array:
    """Mean density step between a pixel and its neighbourhood, over 3 × 3 pixels: float32 [h, w]."""
    smooth = box_mean(green)
    step = np.maximum(green, smooth) - np.minimum(green, smooth)
    # Sixteen times the step, so that the mean is not rounded to whole grey levels.
    mean = box_mean(np.minimum(step, _STEP_MAX) * _STEP_UNITS)
    return mean.astype(np.float32) / np.float32(_STEP_UNITS * np.log(10) * max(float(background[1]), 1))


def _px(area_mm2: float, mpp: float) -> float:
    return max(area_mm2 * 1e6 / mpp**2, 1)


def _enlarge(mask: BoolArray, factor: int, height: int, width: int) -> BoolArray:
    wide: BoolArray = np.empty((*mask.shape, factor), np.bool_)
    for column in range(factor):
        wide[..., column] = mask
    return np.repeat(wide.reshape(len(mask), -1), factor, axis=0)[:height, :width]

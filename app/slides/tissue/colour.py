"""The slide's own background colour, and optical density against it.

Optical density (Beer-Lambert) is linear in the amount of stain. It is taken against the glass of the same slide, so the
scanner's brightness and tint drop out. Source: Ruifrok & Johnston, Anal Quant Cytol Histol 23:291-299, 2001.
"""

import numpy as np

from app.slides.types import Float32Array, UInt8Array

_BIN = 8  # histogram bins are 8 grey levels wide
_SIDE = 256 // _BIN
_MAX_PIXELS = 300_000  # looked at, evenly spread
_MIN_SHARE = 0.005  # of all pixels: the least share of glass that is trusted
_MIN_RATIO = 0.03  # of the commonest colour: leaves out JPEG ringing, keeps a small hole in a full slide
_MAX_TINT = 0.20  # (max - min) / max of a tinted glass
_MAX_MAGENTA = 0.04  # green lacking against the other two: what stains do, and glass does not


def background_colour(rgb: UInt8Array) -> Float32Array:
    """Colour of the empty glass: float32 [3], 0 to 255, from uint8 [h, w, 3].

    The brightest common colour that is not stained (green lacks). Exact white is padding of areas never scanned
    and only taken when nothing else is there. A picture that shows no glass gets a neutral of its brightest value.
    """
    step = max(1, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / _MAX_PIXELS)))
    # Channel by channel: each is one stretch of memory then.
    pixels = np.ascontiguousarray(rgb[::step, ::step].reshape(-1, 3).T)
    n_pixels = pixels.shape[1]
    is_scanned = pixels.min(axis=0) < 254
    red, green, blue = scanned = [channel[is_scanned] for channel in pixels]
    index = ((red // np.uint8(_BIN)).astype(np.intp) * _SIDE + green // np.uint8(_BIN)) * _SIDE + blue // np.uint8(_BIN)
    counts = np.bincount(index, minlength=_SIDE**3)
    n_padding = n_pixels - len(red)
    enough = max(_MIN_SHARE * n_pixels, _MIN_RATIO * max(int(counts.max()), n_padding))
    bins = np.flatnonzero(counts >= max(enough, 1))
    colours = np.stack(np.unravel_index(bins, (_SIDE, _SIDE, _SIDE)), axis=1) * _BIN + _BIN / 2
    top = colours.max(axis=1)
    tint = (top - colours.min(axis=1)) / top
    magenta = (np.minimum(colours[:, 0], colours[:, 2]) - colours[:, 1]) / top
    # Half a bin of rounding can feign a tint of _BIN / top.
    slack = _BIN / top
    glass = (tint <= _MAX_TINT + slack) & (magenta <= np.maximum(_MAX_MAGENTA, slack / 2))
    if glass.any():
        light = colours.sum(axis=1)
        # Neighbouring bins share one glass: of the brightest ones, the commonest.
        brightest = glass & (light >= light[glass].max() - 3 * _BIN)
        centre = colours[brightest][np.argmax(counts[bins[brightest]])]
        near = np.ones(len(red), np.bool_)
        for channel, middle in zip(scanned, centre, strict=True):
            near &= (channel >= middle - _BIN) & (channel <= middle + _BIN)
        return np.array([_median(channel[near]) for channel in scanned], np.float32)
    if n_padding >= _MIN_SHARE * n_pixels:
        return np.full(3, 255, np.float32)
    return np.full(3, np.percentile(pixels.max(axis=0), 99.5), np.float32)


def _median(levels: UInt8Array) -> float:
    """Of one value or more, by counting them: several times faster than sorting."""
    up_to = np.bincount(levels, minlength=256).cumsum()
    middle = np.searchsorted(up_to, [(len(levels) - 1) // 2, len(levels) // 2], side="right")
    return float(middle.mean())


def brightest_channel(rgb: UInt8Array) -> UInt8Array:
    """The largest of the three channels: uint8 [h, w]. (Three times faster than a maximum over the last axis.)"""
    return np.maximum(np.maximum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])


def optical_density(rgb: UInt8Array, background: Float32Array) -> Float32Array:
    """log10((background + 1) / (pixel + 1)) per channel, never below 0: float32 [3, h, w] (channel first)."""
    density = np.empty((3, *rgb.shape[:2]), np.float32)
    levels = np.arange(256, dtype=np.float32)
    for channel in range(3):
        table = np.log10((background[channel] + 1) / (levels + 1)).clip(min=0).astype(np.float32)
        np.take(table, rgb[..., channel], out=density[channel], mode="clip")  # unlike "raise" without a buffer
    return density

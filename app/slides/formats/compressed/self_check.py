"""A few patches of a slide read both ways, before it is read directly: OpenSlide is the judge.

OpenSlide interpolates where a level px is no whole number of level-0 px by its own factor (see render.py), in steps of
1/128 px. The same is done to pixels that were read directly, so that every difference is one of pixels.
"""

import math

import numpy as np
import openslide

from app.slides.formats.compressed.direct_level import DirectLevel, LevelRect
from app.slides.formats.compressed.tiled_image import NotDirectError
from app.slides.types import Float32Array, UInt8Array

TOLERANCE = 2
"""Grey levels."""
_PATCH_PX = 128
_PATCH_MIN_PX = 8
_STEPS = 128
"""Of a px, in pixman's bilinear filter."""


def check_patch(slide: openslide.OpenSlide, number: int, direct: DirectLevel, near: LevelRect) -> None:
    """Compares the middle of the compressed tile in the middle of ``near`` with OpenSlide's level ``number``.

    Raises NotDirectError where the pixels differ by more than ``TOLERANCE``, or OpenSlide cannot read them.
    """
    image, said = direct.image, slide.level_downsamples[number]
    x0, width = _patch(near.x + near.width // 2, image.tile_width, image.width)
    y0, height = _patch(near.y + near.height // 2, image.tile_height, image.height)
    if min(width, height) < _PATCH_MIN_PX:
        return
    start0 = math.ceil(x0 * said), math.ceil(y0 * said)
    left, top = start0[0] / said, start0[1] / said
    rect = LevelRect(math.floor(left), math.floor(top), width + 1, height + 1)
    expected = shifted(direct.read(rect), left - rect.x, top - rect.y)
    try:
        region = slide.read_region(start0, number, (width, height))
    except openslide.OpenSlideError as error:
        raise NotDirectError("OpenSlide cannot read what was read directly") from error
    pixels = np.asarray(region)
    if (pixels[..., 3] != 255).any():
        raise NotDirectError("OpenSlide sees nothing where there are pixels")
    difference = float(np.abs(pixels[..., :3] - expected).max())
    if difference > TOLERANCE:
        raise NotDirectError(f"pixels differ from OpenSlide's by {difference:.0f} grey levels")


def _patch(middle: int, tile_px: int, image_px: int) -> tuple[int, int]:
    """Start and length of a patch in the middle of the compressed tile at ``middle``; 2 px are left on its far side."""
    middle = min(max(middle, 0), image_px - 1)
    begin = middle // tile_px * tile_px
    end = min(begin + tile_px, image_px) - 2
    length = min(_PATCH_PX, end - begin)
    return begin + (end - begin - length) // 2, length


def shifted(pixels: UInt8Array, right: float, down: float) -> Float32Array:
    """float32 [h − 1, w − 1, 3]: ``pixels`` seen from a fraction of a px further, by bilinear interpolation."""
    x, y = math.floor(right * _STEPS) / _STEPS, math.floor(down * _STEPS) / _STEPS
    rows: Float32Array = pixels[:-1] * np.float32(1 - y) + pixels[1:] * np.float32(y)
    shifted: Float32Array = rows[:, :-1] * np.float32(1 - x) + rows[:, 1:] * np.float32(x)
    return shifted

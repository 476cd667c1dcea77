"""A region of a slide for people to look at: any size, in sRGB. Runs in the reader process.

Models are given a scanner's colours as they are (reading belongs to the model); a screen shows them right only once
the slide's ICC profile is applied.
"""

import math

import numpy as np
from PIL import Image, ImageCms

from app.slides.level import coarsest_level
from app.slides.opening import OpenedSlide
from app.slides.render import resample
from app.slides.types import Colour, Extent, UInt8Array

_BLOCK_LEVEL_PX = 2048
"""Read at once: a scan without a pyramid is shown from afar without holding all of it in memory."""
_FOOT = 3
"""Half-width of LANCZOS in output px."""
_LEVEL_SLACK = 1.01
"""A level that is so much too coarse will do: factors of 4.0007 are meant to be 4."""


class Display:
    """Shows one open slide. ``colour``: what became of its profile."""

    def __init__(self, opened: OpenedSlide) -> None:
        self._opened = opened
        self._transform, self.colour = _to_srgb(opened)

    def region(self, extent: Extent, size: tuple[int, int]) -> UInt8Array:
        """``extent`` as uint8 [size[1], size[0], 3] sRGB, white beyond the slide. Raises SlideCorruptError."""
        width, height = size
        out = np.empty((height, width, 3), np.uint8)
        scale_x, scale_y = extent.width / width, extent.height / height
        info = self._opened.info
        scale = min(scale_x, scale_y)
        level = coarsest_level(info, info.mpp * scale * _LEVEL_SLACK)
        ratio = max(1.0, scale / info.level_downsamples[level])
        block, margin_px = max(1, int(_BLOCK_LEVEL_PX / ratio)), math.ceil(_FOOT * ratio)
        for top in range(0, height, block):
            bottom = min(top + block, height)
            for left in range(0, width, block):
                right = min(left + block, width)
                part = Extent(
                    extent.x0 + left * scale_x,
                    extent.y0 + top * scale_y,
                    (right - left) * scale_x,
                    (bottom - top) * scale_y,
                )
                out[top:bottom, left:right] = resample(
                    self._opened,
                    level,
                    part,
                    (right - left, bottom - top),
                    how=Image.Resampling.LANCZOS,
                    margin_px=margin_px,
                )
        if self._transform is None:
            return out
        shown = ImageCms.applyTransform(Image.fromarray(out), self._transform)
        return np.asarray(shown)


def _to_srgb(opened: OpenedSlide) -> tuple[ImageCms.ImageCmsTransform | None, Colour]:
    """The transform from the slide's profile, with the intent that the profile asks for."""
    try:
        profile = opened.slide.color_profile
        if profile is None:
            return None, "none"
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(profile))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(profile, srgb, "RGB", "RGB", renderingIntent=intent), "profile"
    except (ImageCms.PyCMSError, ValueError, OSError):
        return None, "unusable"

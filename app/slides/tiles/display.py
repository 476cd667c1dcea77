"""A region of a slide for people to look at: any size, in sRGB. Runs in the reader process.

Models get a scanner's colours as they are, because they were trained on such colours. A screen shows them correctly
only after the slide's ICC profile is applied.
"""

import math

import numpy as np
from PIL import Image, ImageCms

from app.slides.formats.colours.bright_field import refuse_wrong_colours
from app.slides.formats.colours.samples import sampled
from app.slides.formats.levels.level import coarsest_level
from app.slides.formats.opening import OpenedSlide
from app.slides.tiles.render import WHITE, resample
from app.slides.tiles.thumbnail import render_thumbnail, thumbnail_mpp
from app.slides.tiles.thumbnail_size import thumbnail_size
from app.slides.types import Colour, Extent, UInt8Array

_BLOCK_LEVEL_PX = 2048
"""Read at once: a scan without a pyramid is shown from afar without holding all of it in memory."""
_FAR_LEVEL_PX = 6000**2
"""More than this is not read for one region. Scans without a pyramid (OpenSlide sees none in OME-TIFF) have 5 Gpx."""
_FOOT = 3
"""Half-width of LANCZOS in output px."""
_OPAQUE = 255
_LEVEL_SLACK = 1.01
"""A level that is so much too coarse will do: factors of 4.0007 are meant to be 4."""


class Display:
    """Shows one open slide. ``colour``: how its profile was used."""

    def __init__(self, opened: OpenedSlide) -> None:
        """Raises SlideUnsupportedError if the slide's colours are wrong; openslide.OpenSlideError."""
        samples = sampled(opened.slide, opened.info.levels[-1].number)
        if len(seen := samples[samples[:, 3] == _OPAQUE, :3]):
            refuse_wrong_colours(seen)
        self._opened = opened
        self._overview: Image.Image | None = None
        self._transform, self.colour = _to_srgb(opened)

    def region(self, extent: Extent, size: tuple[int, int]) -> UInt8Array:
        """``extent`` as uint8 [size[1], size[0], 3] sRGB, white beyond the slide. Raises SlideCorruptError."""
        info = self._opened.info
        limit_mpp = info.mpp * min(extent.width / size[0], extent.height / size[1]) * _LEVEL_SLACK
        level = coarsest_level(info, limit_mpp)
        is_far = extent.width * extent.height > _FAR_LEVEL_PX * info.levels[level].downsample ** 2
        if is_far and thumbnail_mpp(info, thumbnail_size(info.width, info.height, info.mpp)) <= limit_mpp:
            return self._in_srgb(_part(self._seen_from_afar(), extent, (info.width, info.height), size))
        return self._in_srgb(self._read(level, extent, size))

    def _seen_from_afar(self) -> Image.Image:
        """The whole slide, decoded once for all coarse regions."""
        if self._overview is None:
            self._overview = Image.fromarray(render_thumbnail(self._opened))
        return self._overview

    def _read(self, level: int, extent: Extent, size: tuple[int, int]) -> UInt8Array:
        """``extent`` from one level, block by block."""
        width, height = size
        out = np.empty((height, width, 3), np.uint8)
        scale_x, scale_y = extent.width / width, extent.height / height
        ratio = max(1.0, min(scale_x, scale_y) / self._opened.info.levels[level].downsample)
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
        return out

    def _in_srgb(self, pixels: UInt8Array) -> UInt8Array:
        if self._transform is None:
            return pixels
        return np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), self._transform))


def _part(overview: Image.Image, extent: Extent, slide_size: tuple[int, int], size: tuple[int, int]) -> UInt8Array:
    """``extent`` (level-0 px of a slide of ``slide_size``) out of the picture of the whole, white beyond it."""
    scale_x, scale_y = slide_size[0] / overview.width, slide_size[1] / overview.height
    left, top = extent.x0 / scale_x, extent.y0 / scale_y
    right, bottom = left + extent.width / scale_x, top + extent.height / scale_y
    if right > overview.width or bottom > overview.height:
        under = Image.new(
            "RGB", (max(overview.width, math.ceil(right)), max(overview.height, math.ceil(bottom))), WHITE
        )
        under.paste(overview)
        overview = under
    box = (left, top, min(right, overview.width), min(bottom, overview.height))
    return np.asarray(overview.resize(size, Image.Resampling.LANCZOS, box=box))


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

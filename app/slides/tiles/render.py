"""Pixels of a slide at any resolution, placed exactly.

OpenSlide takes whole level-0 px and divides them by the quotient of the level sizes (4.0007 for a level that was shrunk
by 4). Then cairo interpolates at the resulting fraction. So the read starts at the level-0 px whose quotient comes
closest to a whole level px, at most half a level-0 px off. The remaining fraction goes into the box of the resampling:
positions stay exact to the float.
"""

import math
from dataclasses import dataclass

import numpy as np
import openslide
from PIL import Image

from app.errors import SlideCorruptError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.opening import OpenedSlide
from app.slides.tiles.resampling import Box, resize_tile
from app.slides.types import Extent, Level, ReadingPlan, UInt8Array

WHITE = (255, 255, 255)
SLACK_PX = 1e-6
"""Level px: less than this is a sum's rounding, for which no further pixel is read."""


@dataclass(frozen=True)
class _Span:
    """One axis of a read: from level-0 px ``start0``, ``count`` level px, of which the first lies at ``position``."""

    start0: int
    position: float
    count: int


def undecodable() -> SlideCorruptError:
    """The error for what OpenSlide cannot decode. After one, it refuses all else that is asked of the open slide."""
    return SlideCorruptError(sentences.UNDECODABLE)


def tile_extent(opened: OpenedSlide, plan: ReadingPlan, x0: int, y0: int) -> Extent:
    """What the tile whose top-left is (x0, y0) covers."""
    side0 = plan.tile_px * plan.tile_mpp / opened.info.mpp
    return Extent(x0, y0, side0, side0)


def render_tile(opened: OpenedSlide, plan: ReadingPlan, level: int, x0: int, y0: int) -> UInt8Array:
    """The tile whose top-left is (x0, y0): uint8 [tile_px, tile_px, 3] RGB, white beyond the slide.

    Raises SlideCorruptError where the file cannot be decoded.
    """
    region, box = _read(opened, level, tile_extent(opened, plan, x0, y0), margin_px=0)
    return resize_tile(np.asarray(region), box, plan.tile_px, plan.resample_filter)


def resample(
    opened: OpenedSlide, level: int, extent: Extent, size: tuple[int, int], *, how: Image.Resampling, margin_px: int
) -> UInt8Array:
    """``extent``, read from ``level``, as uint8 [size[1], size[0], 3] RGB.

    ``margin_px`` level px around the extent are read too for the filter's foot, so that blocks join without seams.
    Raises SlideCorruptError where the file cannot be decoded.
    """
    region, box = _read(opened, level, extent, margin_px)
    return np.asarray(region.resize(size, how, box=box))


def _read(opened: OpenedSlide, level: int, extent: Extent, margin_px: int) -> tuple[Image.Image, Box]:
    """Pixels that cover ``extent``, and where in them it lies."""
    found = opened.info.levels[level]
    said = opened.slide.level_downsamples[found.number]
    left, top = extent.x0 / found.downsample, extent.y0 / found.downsample
    right, bottom = left + extent.width / found.downsample, top + extent.height / found.downsample
    columns = _span(*widened(left, right, margin_px, found.width), said)
    rows = _span(*widened(top, bottom, margin_px, found.height), said)
    # That rounding would pass the region, which Pillow refuses.
    box = (
        left - columns.position,
        top - rows.position,
        min(right - columns.position, columns.count),
        min(bottom - rows.position, rows.count),
    )
    return _read_rgb(opened, found, columns, rows), box


def widened(begin: float, end: float, margin_px: int, level_px: int) -> tuple[float, float]:
    """A span of level px with the margin, but none of the void beyond the level's edge."""
    return max(begin - margin_px, min(begin, 0)), min(end + margin_px, max(end, level_px))


def _span(begin: float, end: float, said_downsample: float) -> _Span:
    """The shortest read that covers ``begin`` to ``end`` (level px) and starts as near as can be to a whole px."""
    first = math.floor(begin)
    start0 = round(first * said_downsample)
    if start0 / said_downsample > begin:
        start0 = round((first - 1) * said_downsample)
    position = start0 / said_downsample
    return _Span(start0, position, max(1, math.ceil(end - position - SLACK_PX)))


def _read_rgb(opened: OpenedSlide, level: Level, columns: _Span, rows: _Span) -> Image.Image:
    """RGB of a read: transparent pixels over the slide's background, white where the level's part of the slide ends."""
    size = (columns.count, rows.count)
    try:
        pixels = opened.slide.read_region((columns.start0, rows.start0), level.number, size)
    except (openslide.OpenSlideError, ValueError) as error:
        raise undecodable() from error
    inside = _inside(level, columns, rows)
    if (level.width, level.height) != opened.slide.level_dimensions[level.number]:
        whole, pixels = pixels, Image.new("RGBA", size)  # padding of the last tiles is not part of the slide
        if inside is not None:
            pixels.paste(whole.crop(inside), inside)
    if pixels.getchannel("A").getextrema() == (255, 255):
        return pixels.convert("RGB")
    under = Image.new("RGB", size, WHITE)
    if opened.info.background != WHITE and inside is not None:
        under.paste(opened.info.background, inside)
    under.paste(pixels, mask=pixels.getchannel("A"))
    return under


def _inside(level: Level, columns: _Span, rows: _Span) -> tuple[int, int, int, int] | None:
    """The part of a read that lies on the level: left, top, right, bottom; None if no part does."""
    left, top = max(0, round(-columns.position)), max(0, round(-rows.position))
    right = min(columns.count, round(level.width - columns.position))
    bottom = min(rows.count, round(level.height - rows.position))
    return (left, top, right, bottom) if left < right and top < bottom else None

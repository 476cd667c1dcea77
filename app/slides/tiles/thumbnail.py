"""The slide from afar: 8 µm/px, read in blocks so that no level has to fit into memory."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from app.slides.formats.compressed.direct_level import DirectLevel, LevelRect
from app.slides.formats.compressed.self_check import check_patch
from app.slides.formats.compressed.tiled_image import NotDirectError, TiledImage, find_tiled_image
from app.slides.formats.levels.level import ENLARGEMENT_MAX, coarsest_level
from app.slides.formats.opening import OpenedSlide
from app.slides.helper_threads import HELPERS, for_each
from app.slides.tiles.render import resample, widened
from app.slides.tiles.thumbnail_size import thumbnail_size
from app.slides.types import Extent, SlideInfo, UInt8Array

_BLOCK_LEVEL_PX = 2048
_DIRECT_BLOCK_LEVEL_PX = 384
"""Of what is decoded. A block's memory is used again for the next one: larger ones wait longer for the kernel."""
_CHECKED_TILES = 3
_SHRUNK_FROM_PX = 64
"""Of a smaller side the rest that shrinking loses would be much, or all."""
_FILTER = Image.Resampling.HAMMING
"""As sharp as BOX without its uneven steps at ratios like 1.9."""
_FOOT = 1
"""The filter's half-width in output px."""


def thumbnail_mpp(info: SlideInfo, size: tuple[int, int]) -> float:
    """µm/px of a thumbnail of ``size`` (width, height), mean of both axes."""
    return info.mpp * math.sqrt(info.width / size[0] * info.height / size[1])


@dataclass(frozen=True)
class _Block:
    """A part of the thumbnail: its corners there, what it shows in level-0 px, the filter's margin in level px."""

    left: int
    top: int
    right: int
    bottom: int
    extent: Extent
    margin_px: int

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


def render_thumbnail(opened: OpenedSlide, out: UInt8Array | None = None) -> UInt8Array:
    """uint8 [h, w, 3] RGB of the whole level-0 extent, drawn into ``out`` where that is given.

    Raises SlideCorruptError where it cannot be decoded, OSError. A level up to 6 % too coarse will do. That of a 20x
    scan has 8.0 to 8.4 µm/px; the next has 16 times the pixels.
    """
    info = opened.info
    size = thumbnail_size(info.width, info.height, info.mpp)
    level = coarsest_level(info, thumbnail_mpp(info, size) * (1 + ENLARGEMENT_MAX))
    out = np.empty((size[1], size[0], 3), np.uint8) if out is None else out
    try:
        _draw_directly(out, opened, level)
    except NotDirectError:
        _draw_by_openslide(out, opened, level)
    return out


def _blocks(info: SlideInfo, size: tuple[int, int], downsample: float, block_px: int) -> list[_Block]:
    """Row by row; ``downsample``: level-0 px that make one px of what they are drawn from."""
    scale_x, scale_y = info.width / size[0], info.height / size[1]
    ratio = max(scale_x, scale_y) / downsample
    side, margin_px = max(1, int(block_px / ratio)), math.ceil(_FOOT * ratio) + 1
    blocks = []
    for top in range(0, size[1], side):
        for left in range(0, size[0], side):
            right, bottom = min(left + side, size[0]), min(top + side, size[1])
            extent = Extent(left * scale_x, top * scale_y, (right - left) * scale_x, (bottom - top) * scale_y)
            blocks.append(_Block(left, top, right, bottom, extent, margin_px))
    return blocks


def _draw_directly(out: UInt8Array, opened: OpenedSlide, level: int) -> None:
    """Raises NotDirectError where OpenSlide has to be asked."""
    image = find_tiled_image(opened.entry, opened.info, level, opened.colours)
    if not image.coding.startswith("jpeg-"):
        raise NotDirectError(f"{image.coding} in large blocks is no faster")
    _check(opened, level, image)
    downsample = opened.info.levels[level].downsample
    if min(image.width, image.height) >= _SHRUNK_FROM_PX:
        limit_mpp = thumbnail_mpp(opened.info, (out.shape[1], out.shape[0])) * (1 + ENLARGEMENT_MAX)
        image = image.shrunk(image.shrinks_by(limit_mpp / (opened.info.mpp * downsample)))
    # Not the image's own size: Philips counts in what fills up its last tiles.
    width, height = opened.info.levels[level].width // image.shrink, opened.info.levels[level].height // image.shrink
    downsample *= image.shrink
    blocks = _blocks(opened.info, (out.shape[1], out.shape[0]), downsample, _DIRECT_BLOCK_LEVEL_PX)

    def draw(mine: list[_Block]) -> None:
        placed = [_placed((width, height), downsample, block) for block in mine]
        with DirectLevel(opened.entry, image, [rect for rect, _ in placed]) as direct:
            for number, (block, (rect, box)) in enumerate(zip(mine, placed, strict=True)):
                pixels = direct.read(rect, number)
                if image.shrink > 1:  # which loses the rest of the last row and column: those before are repeated
                    _repeat_last(pixels, width - rect.x, height - rect.y)
                drawn = Image.fromarray(pixels).resize(block.size, _FILTER, box=box)
                out[block.top : block.bottom, block.left : block.right] = np.asarray(drawn)

    share = -(-len(blocks) // HELPERS)
    for_each(draw, (blocks[first : first + share] for first in range(0, len(blocks), share)))


def _check(opened: OpenedSlide, level: int, image: TiledImage) -> None:
    """Raises NotDirectError unless the tiles that hold most come out as OpenSlide's."""
    with DirectLevel(opened.entry, image) as direct:
        for place in np.argsort(image.byte_counts, axis=None)[-_CHECKED_TILES:]:
            row, column = divmod(int(place), image.byte_counts.shape[1])
            near = LevelRect(column * image.tile_width, row * image.tile_height, image.tile_width, image.tile_height)
            check_patch(opened.slide, opened.info.levels[level].number, direct, near)


def _repeat_last(pixels: UInt8Array, width: int, height: int) -> None:
    """Fill what lies beyond ``width`` and ``height`` (at least 1) with the last column and row before it, in place."""
    pixels[:, width:] = pixels[:, width - 1 : width]
    pixels[height:] = pixels[height - 1 : height]


def _placed(
    size: tuple[int, int], downsample: float, block: _Block
) -> tuple[LevelRect, tuple[float, float, float, float]]:
    """The whole px of an image of ``size`` under a block and its margin, and where in them the block lies."""
    (width, height), extent = size, block.extent
    left, top = extent.x0 / downsample, extent.y0 / downsample
    right, bottom = left + extent.width / downsample, top + extent.height / downsample
    begin_x, end_x = widened(left, right, block.margin_px, width)
    begin_y, end_y = widened(top, bottom, block.margin_px, height)
    x, y = math.floor(begin_x), math.floor(begin_y)
    rect = LevelRect(x, y, math.ceil(end_x) - x, math.ceil(end_y) - y)
    return rect, (left - x, top - y, min(right - x, rect.width), min(bottom - y, rect.height))


def _draw_by_openslide(out: UInt8Array, opened: OpenedSlide, level: int) -> None:
    downsample = opened.info.levels[level].downsample
    blocks = _blocks(opened.info, (out.shape[1], out.shape[0]), downsample, _BLOCK_LEVEL_PX)

    def draw(block: _Block) -> None:
        part = resample(opened, level, block.extent, block.size, how=_FILTER, margin_px=block.margin_px)
        out[block.top : block.bottom, block.left : block.right] = part

    for_each(draw, blocks)

"""A slide's tiles: out of its compressed tiles where that gives OpenSlide's pixels, through OpenSlide otherwise.

Both ways place a tile at the same fraction of a level px. Where OpenSlide's own factor for a level is no whole number,
it blurs its pixels by up to an eighth of a level px. Pixels that are read directly are not blurred, and are more exact.
"""

import math

from app.slides.closing import Closing
from app.slides.formats.compressed.direct_level import DirectLevel, LevelRect
from app.slides.formats.compressed.self_check import check_patch
from app.slides.formats.compressed.tiled_image import NotDirectError, find_tiled_image
from app.slides.formats.levels.level import choose_level, coarsest_mpp
from app.slides.formats.opening import OpenedSlide
from app.slides.tiles.render import SLACK_PX, render_tile, tile_extent
from app.slides.tiles.resampling import resize_tile
from app.slides.types import Extent, Int64Array, ReadingPlan, UInt8Array


class TileReader(Closing):
    """The tiles at ``coords`` (int64 [N, 2], level-0 x, y) of an open slide, as ``plan`` wants them.

    ``why_openslide``: why it is not read directly; empty when it is. ``by_openslide``: how many tiles of a slide that
    is read directly had to be asked of OpenSlide. Raises SlideCorruptError, OSError.
    """

    def __init__(self, opened: OpenedSlide, plan: ReadingPlan, coords: Int64Array) -> None:
        self._opened, self._plan, self._coords = opened, plan, coords
        self._level = choose_level(opened.info, plan.tile_mpp, plan.level_tolerance)
        self._downsample = opened.info.levels[self._level].downsample
        """Level-0 px that make one px of what is read directly."""
        self._direct: DirectLevel | None = None
        self.why_openslide = ""
        self.by_openslide = 0
        try:
            self._direct = self._open_directly()
        except NotDirectError as reason:
            self.why_openslide = str(reason)

    def close(self) -> None:
        """Let go of the file; the open slide is left open."""
        if self._direct is not None:
            self._direct.close()

    def tile(self, index: int) -> UInt8Array:
        """Tile ``index`` of ``coords``: uint8 [tile_px, tile_px, 3] RGB, white beyond the slide.

        In any order; in that of ``coords`` each compressed tile is decoded once.
        Raises SlideCorruptError where the file cannot be decoded, OSError.
        """
        x0, y0 = (int(value) for value in self._coords[index])
        if self._direct is not None:
            try:
                return self._tile_directly(self._direct, index, tile_extent(self._opened, self._plan, x0, y0))
            except NotDirectError:
                self.by_openslide += 1
        return render_tile(self._opened, self._plan, self._level, x0, y0)

    def _tile_directly(self, direct: DirectLevel, index: int, extent: Extent) -> UInt8Array:
        rect = self._rect(extent)
        level = self._opened.info.levels[self._level]
        level_size = level.width // direct.image.shrink, level.height // direct.image.shrink
        beyond = rect.x + rect.width > level_size[0] or rect.y + rect.height > level_size[1]
        if beyond and level_size != (direct.image.width, direct.image.height):
            raise NotDirectError("a tile at the edge of a level whose size is not sure")
        left, top = extent.x0 / self._downsample - rect.x, extent.y0 / self._downsample - rect.y
        side = extent.width / self._downsample
        box = (left, top, min(left + side, rect.width), min(top + side, rect.height))
        region = direct.read(rect, index)
        return resize_tile(region, box, self._plan.tile_px, self._plan.resample_filter)

    def _rect(self, extent: Extent) -> LevelRect:
        """The fewest whole level px that cover the extent."""
        left, top = extent.x0 / self._downsample, extent.y0 / self._downsample
        x, y = math.floor(left), math.floor(top)
        side = extent.width / self._downsample
        return LevelRect(x, y, math.ceil(left - x + side - SLACK_PX), math.ceil(top - y + side - SLACK_PX))

    def _open_directly(self) -> DirectLevel:
        image = find_tiled_image(self._opened.entry, self._opened.info, self._level, self._opened.colours)
        with DirectLevel(self._opened.entry, image) as whole:
            self._check(whole)
        if self._plan.decoder_scaling == "dct":
            factor = image.shrinks_by(self._shrink_limit())
            image = image.shrunk(factor)
            self._downsample *= factor
        return DirectLevel(self._opened.entry, image, [self._rect_of(row) for row in range(len(self._coords))])

    def _rect_of(self, row: int) -> LevelRect:
        x0, y0 = (int(value) for value in self._coords[row])
        return self._rect(tile_extent(self._opened, self._plan, x0, y0))

    def _shrink_limit(self) -> float:
        """How often the level's px goes into one that is as coarse as the plan allows."""
        limit_mpp = coarsest_mpp(self._plan.tile_mpp, self._plan.level_tolerance)
        return limit_mpp / (self._opened.info.mpp * self._downsample)

    def _check(self, direct: DirectLevel) -> None:
        """Raises NotDirectError unless a few tiles, first to last, come out as OpenSlide's."""
        count = len(self._coords)
        number = self._opened.info.levels[self._level].number
        for row in {0, count // 2, count - 1} if count else ():
            check_patch(self._opened.slide, number, direct, self._rect_of(row))

"""Deep Zoom: an image as a pyramid of JPEG tiles, each level half the one above, down to a single pixel.

Source: Microsoft's Deep Zoom file format, as OpenSeadragon and OpenSlide's own generator read it. Level 0 is the
smallest, and sizes are rounded up. A tile shows ``OVERLAP_PX`` more on each side that has a neighbour.
"""

from dataclasses import dataclass

from app.slides.types import Extent

TILE_PX = 254
OVERLAP_PX = 1


@dataclass(frozen=True)
class DeepZoom:
    """The pyramid of an image of ``width`` by ``height`` px."""

    width: int
    height: int

    @property
    def top(self) -> int:
        """The number of the level that is the image itself."""
        return (max(self.width, self.height) - 1).bit_length()

    @property
    def last_single(self) -> int:
        """The largest level that is one tile."""
        return max(level for level in range(self.top + 1) if self.tiles(level) == (1, 1))

    def scale(self, level: int) -> int:
        """Level-0 px of the slide for one px of a Deep Zoom level."""
        return 1 << (self.top - level)

    def size(self, level: int) -> tuple[int, int]:
        """(width, height) of a level in its own px."""
        scale = self.scale(level)
        return -(-self.width // scale), -(-self.height // scale)

    def tiles(self, level: int) -> tuple[int, int]:
        """(columns, rows) of a level."""
        width, height = self.size(level)
        return -(-width // TILE_PX), -(-height // TILE_PX)

    def has(self, level: int, column: int, row: int) -> bool:
        """Whether there is such a tile."""
        if not 0 <= level <= self.top:
            return False
        columns, rows = self.tiles(level)
        return 0 <= column < columns and 0 <= row < rows

    def tile(self, level: int, column: int, row: int) -> tuple[Extent, tuple[int, int]]:
        """What a tile shows, in the slide's level-0 px (rounding may pass its edge), and the tile's size in px."""
        width, height = self.size(level)
        left, right = _span(column, width)
        top, bottom = _span(row, height)
        scale = self.scale(level)
        extent = Extent(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale)
        return extent, (right - left, bottom - top)

    def descriptor(self) -> str:
        """The .dzi document."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" TileSize="{TILE_PX}" Overlap="{OVERLAP_PX}" '
            f'Format="jpg"><Size Width="{self.width}" Height="{self.height}"/></Image>\n'
        )


def _span(index: int, length: int) -> tuple[int, int]:
    """From where to where (excluded) tile ``index`` goes along a side of ``length`` px."""
    start = index * TILE_PX
    return max(0, start - OVERLAP_PX), min(start + TILE_PX + OVERLAP_PX, length)

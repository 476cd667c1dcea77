"""The pyramid by value, against OpenSlide's own generator."""

import pytest
from openslide import ImageSlide
from openslide.deepzoom import DeepZoomGenerator
from PIL import Image

from app.viewer.deepzoom import DeepZoom


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (254, 254), (255, 254), (256, 509), (1000, 37), (4097, 3000)])
def test_levels_and_tiles_are_openslides(size):
    theirs = DeepZoomGenerator(ImageSlide(Image.new("RGB", size)), tile_size=254, overlap=1)
    mine = DeepZoom(*size)
    assert mine.top + 1 == theirs.level_count
    assert mine.last_single == theirs.level_tiles.index((1, 1)) + theirs.level_tiles.count((1, 1)) - 1
    for level in range(theirs.level_count):
        assert mine.size(level) == theirs.level_dimensions[level]
        columns, rows = theirs.level_tiles[level]
        assert mine.tiles(level) == (columns, rows)
        for column, row in {(0, 0), (columns - 1, rows - 1), (columns // 2, 0)}:
            extent, tile_px = mine.tile(level, column, row)
            corner, _, _ = theirs.get_tile_coordinates(level, (column, row))
            assert tile_px == theirs.get_tile_dimensions(level, (column, row))
            assert (extent.x0, extent.y0) == corner
        assert mine.has(level, columns - 1, rows - 1)
        assert not mine.has(level, columns, 0) and not mine.has(level, 0, rows)
    assert not mine.has(theirs.level_count, 0, 0) and not mine.has(-1, 0, 0)

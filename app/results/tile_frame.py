"""Where tiles lie: as squares in level-0 px and as pixels of a picture of the whole slide.

A tile ends where its neighbour begins (the next rounded grid start), so that squares neither overlap nor gap; their
sides are therefore round(448 / mpp) give or take one pixel.
"""

import numpy as np
from numpy.typing import NDArray

from app.slides.types import Int64Array

TileIndex = NDArray[np.int32]


def tile_corners(coords: Int64Array, tile_size0: float) -> Int64Array:
    """Level-0 squares of tiles: int64 [N, 4] as x0, y0, x1, y1 (x1, y1 excluded).

    ``coords``: int64 [N, 2] top-left corners on the grid of ``tile_size0`` level-0 px (not rounded).
    The last row and column may reach beyond the slide, where tiles are padded.
    """
    cells = np.rint(coords / tile_size0)
    ends = np.rint((cells + 1) * tile_size0).astype(np.int64)
    return np.concatenate([coords, ends], axis=1)


def tile_index(
    coords: Int64Array, tile_size0: float, slide_size: tuple[int, int], picture_size: tuple[int, int]
) -> TileIndex:
    """Which tile each pixel of a picture belongs to: int32 [h, w], -1 where none.

    ``slide_size`` is the level-0 (width, height) that the picture shows in full, ``picture_size`` its own
    (width, height). A pixel belongs to the tile that holds its centre.
    """
    cells = np.rint(coords / tile_size0).astype(np.intp)
    columns = _cells_of_pixels(slide_size[0], picture_size[0], tile_size0)
    rows = _cells_of_pixels(slide_size[1], picture_size[1], tile_size0)
    grid_shape = np.maximum(cells.max(axis=0), (columns[-1], rows[-1])) + 1
    grid = np.full((grid_shape[1], grid_shape[0]), -1, dtype=np.int32)
    grid[cells[:, 1], cells[:, 0]] = np.arange(len(coords), dtype=np.int32)
    index: TileIndex = grid[rows[:, None], columns[None, :]]
    return index


def _cells_of_pixels(slide_px: int, picture_px: int, tile_size0: float) -> NDArray[np.intp]:
    """Grid column (or row) that holds the centre of each pixel along one axis."""
    centres = (np.arange(picture_px) + 0.5) * (slide_px / picture_px)
    starts = np.rint(np.arange(int(slide_px / tile_size0) + 2) * tile_size0)
    return np.searchsorted(starts, centres, side="right") - 1

"""Where tiles lie: as squares in level-0 px and as pixels of a picture of the whole slide.

A tile ends where its neighbour begins (the next rounded grid start), so that squares neither overlap nor gap. Their
sides are therefore round(448 / mpp) give or take one pixel.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.slides.types import BoolArray, Int64Array


@dataclass(frozen=True, eq=False)
class TileIndex:
    """Which tile each pixel of a picture [h, w] belongs to, by the rows and columns of the grid that it lies in.

    grid: int32 [R, C], the tile in each of its cells, -1 where none; rows: intp [h]; columns: intp [w].
    """

    grid: NDArray[np.int32]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Each pixel's value [h, w, ...] of ``values`` [N + 1, ...], whose last is for pixels of no tile."""
        return _stretch(values[self.grid], self.rows, self.columns)

    def inside(self) -> BoolArray:
        """Which pixels belong to a tile: bool [h, w]."""
        return _stretch(self.grid >= 0, self.rows, self.columns)

    def edges(self) -> BoolArray:
        """Pixels of a tile whose right or lower neighbour belongs to another, or to none: bool [h, w]."""
        edges = np.zeros((len(self.rows), len(self.columns)), np.bool_)
        for x in np.flatnonzero(self.columns[1:] != self.columns[:-1]):
            here, beside = self.grid[:, self.columns[x]], self.grid[:, self.columns[x + 1]]
            edges[:, x] = ((here != beside) & (here >= 0))[self.rows]
        for y in np.flatnonzero(self.rows[1:] != self.rows[:-1]):
            here, below = self.grid[self.rows[y]], self.grid[self.rows[y + 1]]
            edges[y] |= ((here != below) & (here >= 0))[self.columns]
        return edges

    def part(self, rows: slice) -> "TileIndex":
        """Of those rows of the picture alone, one or more."""
        inside = self.rows[rows]  # rising
        first, last = inside[0], inside[-1]
        return TileIndex(self.grid[first : last + 1], inside - first, self.columns)


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
    """The tiles at ``coords`` in a picture.

    ``slide_size`` is the level-0 (width, height) that the picture shows in full, ``picture_size`` its own
    (width, height). A pixel belongs to the tile that holds its centre.
    """
    cells = np.rint(coords / tile_size0).astype(np.intp)
    columns = _cells_of_pixels(slide_size[0], picture_size[0], tile_size0)
    rows = _cells_of_pixels(slide_size[1], picture_size[1], tile_size0)
    grid_shape = np.maximum(cells.max(axis=0, initial=0), (columns[-1], rows[-1])) + 1
    grid = np.full((grid_shape[1], grid_shape[0]), -1, dtype=np.int32)
    grid[cells[:, 1], cells[:, 0]] = np.arange(len(coords), dtype=np.int32)
    return TileIndex(grid, rows, columns)


def _stretch(cells: NDArray[Any], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[Any]:
    """``cells`` [R, C, ...] at each pixel: [h, w, ...]. Each lies on the grid: "clip" clips nothing, and is fast."""
    wide = np.take(cells, columns, axis=1, mode="clip")
    return np.asarray(np.take(wide, rows, axis=0, mode="clip"))


def _cells_of_pixels(slide_px: int, picture_px: int, tile_size0: float) -> NDArray[np.intp]:
    """Grid column (or row) that holds the centre of each pixel along one axis."""
    centres = (np.arange(picture_px) + 0.5) * (slide_px / picture_px)
    starts = np.rint(np.arange(int(slide_px / tile_size0) + 2) * tile_size0)
    return np.searchsorted(starts, centres, side="right") - 1

"""The 5x grid and what of it is tissue: pure geometry, level-0 px."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.errors import SlideCorruptError
from app.slides.formats import reader_sentences as sentences
from app.slides.types import BoolArray, Float32Array, Int64Array, ReadingPlan, SlideInfo
from app.warning import coded

AREA_MAX_MM2 = 20_000.0
"""The largest glass, 75 × 100 mm, has 7,500: about 37,000 tiles of 448 µm."""
_ROUNDING_PX = 1e-6
"""Tolerance for rounding: 448 / 0.28 gives 1599.9999999999998."""
FULLEST_TILES = 4
"""How many tiles are kept when none reaches the least tissue fraction."""


@dataclass(frozen=True)
class Grid:
    """Tiles of side ``tile_size0`` (level-0 px, not rounded) over the whole slide.

    x0: int64 [columns], y0: int64 [rows]: where each column and row starts.
    """

    tile_size0: float
    x0: Int64Array
    y0: Int64Array

    @property
    def tiles(self) -> int:
        """Tiles of the full grid."""
        return len(self.x0) * len(self.y0)

    def coords(self, indices: Int64Array) -> Int64Array:
        """int64 [N, 2] (x0, y0) of the tiles with those row-major ``indices``."""
        rows, columns = np.divmod(indices, len(self.x0))
        return np.stack([self.x0[columns], self.y0[rows]], axis=1)


@dataclass(frozen=True)
class Selection:
    """The tiles kept: int64 [N] row-major indices, float32 [N] tissue fractions, warnings about it."""

    indices: Int64Array
    fractions: Float32Array
    warnings: tuple[str, ...]


def make_grid(width: int, height: int, mpp: float, tile_px: int = 224, tile_mpp: float = 2.0) -> Grid:
    """Tile (i, j) starts at round(i · tile_px · tile_mpp / mpp), rounded from the product, never accumulated.

    Raises SlideCorruptError for a slide of more than ``AREA_MAX_MM2``.
    """
    if width * height * mpp * mpp / 1e6 > AREA_MAX_MM2:
        raise SlideCorruptError(sentences.LARGER_THAN_GLASS(width=width, height=height, mpp=mpp))
    tile_size0 = tile_px * tile_mpp / mpp
    return Grid(tile_size0, _starts(width, tile_size0), _starts(height, tile_size0))


def grid_for(info: SlideInfo, plan: ReadingPlan) -> Grid:
    """The grid that ``plan`` lays over a slide."""
    return make_grid(info.width, info.height, info.mpp, plan.tile_px, plan.tile_mpp)


def cell_size(tile_size0: float) -> int:
    """The largest integer of level-0 px that is not above any step of the grid.

    TITAN and other readers divide coords by it and round down, so each tile gets its own cell.
    """
    return math.floor(tile_size0 + _ROUNDING_PX)


def tissue_fractions(mask: BoolArray, width: int, height: int, grid: Grid) -> Float32Array:
    """float32 [rows, columns]: share of each tile's area under ``mask`` (bool [h, w] over the whole slide).

    Exact by area: sums down the columns, then along the rows, interpolated at the tiles' fractional edges. What a
    tile reaches beyond the slide counts as no tissue.
    """
    scale_x, scale_y = mask.shape[1] / width, mask.shape[0] / height
    strips = _rows_above(mask, (grid.y0 + grid.tile_size0) * scale_y) - _rows_above(mask, grid.y0 * scale_y)
    integral = np.zeros((mask.shape[1] + 1, len(strips)))
    strips.T.cumsum(axis=0, out=integral[1:])
    area = _interpolate(integral, (grid.x0 + grid.tile_size0) * scale_x) - _interpolate(integral, grid.x0 * scale_x)
    full = grid.tile_size0**2 * scale_x * scale_y
    fractions: Float32Array = np.clip(area.T / full, 0.0, 1.0).astype(np.float32)
    return fractions


def select_tiles(fractions: Float32Array, tissue_min: float) -> Selection:
    """Tiles of at least ``tissue_min`` tissue, in reading order; if none but there is tissue, the fullest few."""
    flat = fractions.ravel()
    indices = np.flatnonzero(flat >= np.float32(tissue_min))
    warnings: tuple[str, ...] = ()
    if len(indices) == 0 and flat.any():
        fullest = np.argsort(-flat, kind="stable")[:FULLEST_TILES]
        indices = np.sort(fullest[flat[fullest] > 0])
        sentence = sentences.FEW_TILES(percent=100 * tissue_min, count=len(indices), most=100 * float(flat.max()))
        warnings = (coded("tiles_below_tissue_min", sentence),)
    return Selection(indices.astype(np.int64), flat[indices], warnings)


def _starts(extent: int, tile_size0: float) -> Int64Array:
    starts = np.rint(np.arange(math.ceil(extent / tile_size0) + 1) * tile_size0).astype(np.int64)
    inside: Int64Array = starts[starts < extent]
    return inside


def _rows_above(mask: BoolArray, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per column, how much of ``mask`` lies above fractional rows: float64 [len(at), w]. Only rows cut are kept."""
    at = np.clip(at, 0, len(mask))
    cut = np.minimum(np.floor(at).astype(np.int64), len(mask) - 1)
    cuts, place = np.unique(cut, return_inverse=True)
    between = [mask[begin:end].sum(axis=0, dtype=np.int32) for begin, end in pairwise((0, *cuts))]
    return np.asarray(np.cumsum(between, axis=0)[place] + mask[cut] * (at - cut)[:, None])


def _interpolate(table: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of ``table`` at fractional positions, linear in between and constant beyond its ends."""
    at = np.clip(at, 0, len(table) - 1)
    low = np.minimum(np.floor(at).astype(np.int64), len(table) - 2)
    part = (at - low)[:, None]
    return np.asarray(table[low] * (1 - part) + table[low + 1] * part)

"""Whether a level lacks tiles that a finer level has. OpenSlide shows a missing tile of most TIFFs as glass.

Scanners leave out tiles without tissue in all levels alike. A level that lacks more tiles would hide tissue.
Source: TIFF 6.0, section 15 (TileByteCounts); OpenSlide takes a tile of 0 bytes for missing.
"""

import numpy as np
from numpy.typing import NDArray

from app.slides.formats.tiff.tiff_directory import Directory
from app.slides.formats.tiff.tiff_levels import TILE_BYTES, size_of, tile_size

_EDGE_PX = 1.0
"""Pixels of the finer level by which rounding may move a tile's edge."""


def has_gaps(level: Directory, finer: Directory, scale: float) -> bool:
    """Whether ``level`` lacks a tile that ``finer`` has; ``scale``: px of ``finer`` per px of ``level``.

    False if the number of tiles does not match the sizes, because nothing can be concluded then.
    """
    stored, below = stored_tiles(level), stored_tiles(finer)
    if stored is None or below is None:
        return False
    return bool(np.any(~stored & (_under(level, finer, scale, below) > 0)))


def torn_tiles(level: Directory, finer: Directory, scale: float) -> NDArray[np.bool_] | None:
    """bool [tiles of ``level``], row by row: over which of them ``finer`` lacks tiles; None if that is not known."""
    stored, below = stored_tiles(level), stored_tiles(finer)
    if stored is None or below is None:
        return None
    return (_under(level, finer, scale, ~below) > 0).ravel()


def missing_tiles(
    level: Directory, downsample: float, size0: tuple[int, int], shape: tuple[int, int]
) -> NDArray[np.int64]:
    """int64 [*shape], a picture of the whole slide of ``size0`` level-0 px: where ``level`` lacks a tile, that tile's
    number; -1 elsewhere."""
    stored = stored_tiles(level)
    if stored is None:
        return np.full(shape, -1)
    rows, columns = (
        np.minimum((np.arange(length) + 0.5) * (whole / length) / (side * downsample), count - 1).astype(np.int64)
        for length, whole, side, count in zip(shape, size0[::-1], tile_size(level)[::-1], stored.shape, strict=True)
    )
    numbers = np.where(stored, -1, np.arange(stored.size).reshape(stored.shape))
    found: NDArray[np.int64] = numbers[np.ix_(rows, columns)]
    return found


def _under(level: Directory, finer: Directory, scale: float, which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 [rows, columns of ``level``]: how many tiles ``which`` (of ``finer``) lie under each tile."""
    (width, height), (tile_width, tile_height) = size_of(level), tile_size(level)
    rows, columns = np.indices((-(-height // tile_height), -(-width // tile_width)))
    # counts[r, c]: how many of them lie above row r and left of column c.
    counts = np.pad(which.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    (left, right), (top, bottom) = (
        _range(at, side, finer_side, scale, whole)
        for at, side, finer_side, whole in zip(
            (columns, rows), tile_size(level), tile_size(finer), which.shape[::-1], strict=True
        )
    )
    right, bottom = np.maximum(left, right), np.maximum(top, bottom)
    inside: NDArray[np.int64] = counts[bottom, right] - counts[top, right] - counts[bottom, left] + counts[top, left]
    return inside


def stored_tiles(directory: Directory) -> NDArray[np.bool_] | None:
    """bool [rows, columns]: which tiles are in the file."""
    (width, height), (tile_width, tile_height) = size_of(directory), tile_size(directory)
    sizes = directory.tags.get(TILE_BYTES)
    if sizes is None or min(width, height, tile_width, tile_height) < 1:
        return None
    shape = -(-height // tile_height), -(-width // tile_width)
    return (sizes > 0).reshape(shape) if len(sizes) == shape[0] * shape[1] else None


def _range(
    at: NDArray[np.intp], side: int, finer_side: int, scale: float, whole: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and end of the finer tiles under the tiles ``at``, at most ``whole``; sides in px."""
    first = (at * side * scale + _EDGE_PX) // finer_side
    end = np.ceil(((at + 1) * side * scale - _EDGE_PX) / finer_side)
    return first.clip(0, whole).astype(np.int64), end.clip(0, whole).astype(np.int64)

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
    stored, below = _stored(level), _stored(finer)
    if stored is None or below is None:
        return False
    rows, columns = np.nonzero(~stored)
    # counts[r, c]: how many tiles are stored above row r and left of column c.
    counts = np.pad(below.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    (left, right), (top, bottom) = (
        _range(at, side, finer_side, scale, whole)
        for at, side, finer_side, whole in zip(
            (columns, rows), tile_size(level), tile_size(finer), below.shape[::-1], strict=True
        )
    )
    inside = counts[bottom, right] - counts[top, right] - counts[bottom, left] + counts[top, left]
    return bool(np.any((inside > 0) & (right > left) & (bottom > top)))


def _stored(directory: Directory) -> NDArray[np.bool_] | None:
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

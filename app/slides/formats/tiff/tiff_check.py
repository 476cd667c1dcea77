"""Checks that a TIFF is complete: every directory, every tag for pixels or resolution, and every tile and strip must
end before the file does.

A truncated TIFF mostly looks to libtiff like no TIFF at all (its directories stand at the end), or opens with
fewer levels and without complaint; so the offsets are followed here before anything is read.
Source: TIFF 6.0, section 15.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import SlideCorruptError
from app.slides.formats.tiff.tiff_directory import Directory, read_directories, truncated

_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS = 256, 257, 322, 323, 324
_TILE_PX_MAX = 16_384
_DATA_TAGS = ((273, 279), (324, 325))
"""(offsets, byte counts) of strips and of tiles."""
_PIXEL_TAGS = frozenset({254, 258, 259, 262, 274, 277, 284, 317, 320, 338, 339, 347, 530, 532, 34675})
"""How pixels are stored: with palette, predictor, JPEG tables and ICC profile."""
_RESOLUTION_TAGS = frozenset({270, 282, 283, 296})
"""Aperio and OME state the resolution in ImageDescription."""
_WANTED = frozenset(
    {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, *(tag for pair in _DATA_TAGS for tag in pair)}
    | _PIXEL_TAGS
    | _RESOLUTION_TAGS
)
"""Values of all other tags may lie beyond the end of the file, because nothing read depends on them."""


def check_tiff_complete(path: Path) -> None:
    """Raises SlideCorruptError when a directory, tile or strip lies beyond the end of the TIFF at ``path``."""
    size = path.stat().st_size
    for directory in read_directories(path, _WANTED):
        for offsets_tag, counts_tag in _DATA_TAGS:
            offsets, counts = directory.tags.get(offsets_tag), directory.tags.get(counts_tag)
            # Where there are fewer byte counts than offsets, libtiff estimates them; such a file is not judged here.
            if offsets is not None and counts is not None and len(offsets) == len(counts) and len(offsets):
                _check_data(offsets, counts, size)
        _check_tiles(directory)


def _check_tiles(directory: Directory) -> None:
    """The tiles must be enough for the size that the directory claims, and no larger than a reader can hold."""
    width, height = directory.number(_WIDTH), directory.number(_HEIGHT)
    tile_width, tile_height = directory.number(_TILE_WIDTH), directory.number(_TILE_HEIGHT)
    offsets = directory.tags.get(_TILE_OFFSETS)
    if offsets is None or width is None or height is None or tile_width is None or tile_height is None:
        return
    if not (0 < tile_width <= _TILE_PX_MAX and 0 < tile_height <= _TILE_PX_MAX):
        raise SlideCorruptError(f"The slide's tiles claim to be {tile_width} × {tile_height} px: the file is damaged.")
    if -(-width // tile_width) * -(-height // tile_height) > len(offsets):
        raise SlideCorruptError("The slide claims to be larger than its tiles are: the file is damaged.")


def _check_data(offsets: NDArray[np.uint64], counts: NDArray[np.uint64], size: int) -> None:
    present = counts > 0
    # Compared without adding, which could wrap around.
    if np.any(offsets[present] > size) or np.any(counts[present] > np.uint64(size) - offsets[present]):
        raise truncated()

"""Maps OpenSlide's levels to the directories of a TIFF, and reads a directory's hints that it is a level.

OpenSlide takes tiled directories of these formats as levels. Of a plain TIFF it takes the first and those that are
marked as a smaller copy, the widest first. Of SVS and Philips TIFF it takes all, in the file's order.
Sources: TIFF 6.0, section 8 (NewSubfileType) and 15 (tiles); the formats as OpenSlide documents them.
"""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.tiff.tiff_directory import Directory, read_directories

_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _DESCRIPTION = 254, 256, 257, 259, 270
_TILE_WIDTH, _TILE_HEIGHT, TILE_BYTES = 322, 323, 325
WANTED = frozenset({_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _DESCRIPTION, _TILE_WIDTH, _TILE_HEIGHT, TILE_BYTES})
_SMALLER_COPY, _ONE_PAGE = 1, 2
_OTHER_KIND = re.compile(r"\b(label|macro|thumbnail|overview)\b", re.IGNORECASE)
_HEAD_CHARACTERS = 200
_UNCOMPRESSED = 1


def level_directories(directories: list[Directory], vendor: str) -> list[Directory]:
    """The ``directories`` of a TIFF that OpenSlide counts as levels, in its order."""
    tiled = [(place, found) for place, found in enumerate(directories) if is_tiled(found) and not found.is_below]
    if vendor != "generic-tiff":
        return [found for _, found in tiled]
    counted = [found for place, found in tiled if place == 0 or (found.number(_SUBFILE) or 0) & _SMALLER_COPY]
    return sorted(counted, key=lambda found: -size_of(found)[0])


def refuse_larger(directories: list[Directory], levels: list[Directory]) -> None:
    """Raises SlideUnsupportedError unless the first directory, which states the resolution, is the largest image."""
    if not levels or not directories:
        return
    width, height = size_of(directories[0])
    larger = [found for found in directories if is_tiled(found) and not is_another_kind(found)]
    larger = [found for found in larger if size_of(found)[0] > width or size_of(found)[1] > height]
    if larger or levels[0] is not directories[0]:
        size = size_of(max([*larger, levels[0]], key=lambda found: size_of(found)[0]))
        raise SlideUnsupportedError(
            sentences.TIFF_LARGER_LATER(width=width, height=height, larger_width=size[0], larger_height=size[1])
        )


def refuse_disorder(path: Path) -> None:
    """Raises SlideUnsupportedError if OpenSlide rejects the TIFF because its images seem out of order.

    Also raises the errors of ``read_directories``.
    """
    directories = list(read_directories(path, WANTED))
    if not directories or min(size_of(directories[0])) < 1:
        return
    if not is_tiled(directories[0]):
        _refuse_thumbnail_first(directories)
        return
    is_svs = directories[0].text(_DESCRIPTION).startswith("Aperio")
    levels = level_directories(directories, "aperio" if is_svs else "generic-tiff")
    refuse_larger(directories, levels)
    width, height = size_of(directories[0])
    sizes = [size_of(found) for found in levels if min(size_of(found)) > 0]
    for size, after in pairwise(sizes):
        if width / size[0] + height / size[1] > width / after[0] + height / after[1]:
            apart = [abs(one[0] / one[1] - width / height) for one in (size, after)]
            odd = size if apart[0] > apart[1] else after
            raise SlideUnsupportedError(sentences.TIFF_ODD_LEVEL(width=odd[0], height=odd[1]))


def _refuse_thumbnail_first(directories: list[Directory]) -> None:
    """Raises SlideUnsupportedError if a larger, tiled image comes after the first one."""
    width, height = size_of(directories[0])
    if any(is_tiled(found) and size_of(found)[0] > width and size_of(found)[1] > height for found in directories[1:]):
        raise SlideUnsupportedError(sentences.TIFF_THUMBNAIL_FIRST(width=width, height=height))


def size_of(directory: Directory) -> tuple[int, int]:
    """(width, height) in px; 0 where the directory does not say."""
    return directory.number(_WIDTH) or 0, directory.number(_HEIGHT) or 0


def tile_size(directory: Directory) -> tuple[int, int]:
    """(width, height) of its tiles in px; 0 where the directory does not say."""
    return directory.number(_TILE_WIDTH) or 0, directory.number(_TILE_HEIGHT) or 0


def is_tiled(directory: Directory) -> bool:
    """Whether its pixels lie in tiles; labels and thumbnails mostly lie in strips."""
    return _TILE_WIDTH in directory.tags


def tile_bytes(directory: Directory) -> NDArray[np.uint64] | None:
    """uint64 [tiles], row by row: the compressed size of each tile, 0 where it is missing; None where sizes tell
    nothing of what a tile holds."""
    if directory.number(_COMPRESSION) in {None, _UNCOMPRESSED}:
        return None
    return directory.tags.get(TILE_BYTES)


def is_another_kind(directory: Directory) -> bool:
    """Whether flags or description mark it as a label, macro, thumbnail or mask."""
    if (directory.number(_SUBFILE) or 0) & ~(_SMALLER_COPY | _ONE_PAGE):
        return True
    text = directory.text(_DESCRIPTION).partition("|")[0]
    return not text.lstrip().startswith("<") and _OTHER_KIND.search(text[:_HEAD_CHARACTERS]) is not None

"""The directories of a TIFF, one after another, every length checked before anything is read.

For libtiff a truncated TIFF is mostly no TIFF at all, because its directories are at the end. Or it opens with fewer
levels and without complaint. So ``check_tiff_complete`` follows all offsets before anything is read.
Sources: TIFF 6.0, sections 2 and 15; BigTIFF's layout as libtiff documents it.
"""

import os
import struct
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.errors import SlideCorruptError
from app.slides.formats import reader_sentences as sentences

DIRECTORIES_MAX = 4096
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 7: "u1", 9: "i4", 13: "u4", 16: "u8", 18: "u8"}
_SUB_DIRECTORIES = 330
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


@dataclass(frozen=True)
class Layout:
    """Byte order and the widths of classic TIFF or BigTIFF."""

    order: str
    big: bool

    @property
    def head_bytes(self) -> int:
        """The file header: mark, version, and offset of the first directory."""
        return 16 if self.big else 8

    @property
    def link(self) -> str:
        """An offset."""
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        """How many entries a directory has."""
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        """Tag, type, count, and the value or where it stands."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")


@dataclass(frozen=True)
class Entry:
    """One entry of a directory as the file has it. ``inline``: the value, or its offset where it is longer."""

    tag: int
    kind: int
    count: int
    inline: bytes

    @property
    def length(self) -> int:
        """Bytes of the value."""
        return TYPE_BYTES.get(self.kind, 1) * self.count

    def place(self, layout: Layout) -> tuple[int, int] | None:
        """(offset, length) of a value that stands elsewhere."""
        return None if self.length <= len(self.inline) else (struct.unpack(layout.link, self.inline)[0], self.length)


@dataclass(frozen=True)
class Directory:
    """One image file directory.

    ``offset``: its position. ``tags``: the requested ones, uint64 [count] of each tag of unsigned numbers or bytes.
    ``entries``: all, in the file's order. ``is_below``: it is a SubIFD of another one, not in the main chain.
    """

    offset: int
    layout: Layout
    entries: tuple[Entry, ...]
    tags: dict[int, NDArray[np.uint64]]
    is_below: bool = False

    def number(self, tag: int) -> int | None:
        """The single number under ``tag``; None if there is none or more than one."""
        values = self.tags.get(tag)
        return int(values[0]) if values is not None and len(values) == 1 else None

    def text(self, tag: int) -> str:
        """The characters under ``tag`` (Latin-1); empty if there are none."""
        values = self.tags.get(tag)
        return "" if values is None else values.astype(np.uint8).tobytes().rstrip(b"\0").decode("latin-1")


def is_tiff(path: Path) -> bool:
    """Whether the file begins as a TIFF or BigTIFF does."""
    with path.open("rb") as file:
        return _layout(file.read(4)) is not None


def read_directories(path: Path, wanted: Set[int], *, below: bool = False) -> Iterator[Directory]:
    """The main chain of directories of the TIFF at ``path``, with the tags ``wanted``; nothing if it is no TIFF.

    ``below``: include the SubIFDs of each, after it.
    Raises SlideCorruptError when a directory or a wanted value lies beyond the end of the file, or the chain is a
    circle.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        layout = _layout(file.read(4))
        if layout is None:
            return
        file.seek(8 if layout.big else 4)
        offset = _unpack(file, layout.link)[0]
        seen: set[int] = set()
        asked = wanted | {_SUB_DIRECTORIES} if below else wanted
        while offset:
            _count(offset, seen)
            directory, offset = _read_directory(file, layout, offset, size, asked)
            yield directory
            for sub in directory.tags.get(_SUB_DIRECTORIES, ()) if below else ():
                _count(int(sub), seen)
                yield replace(_read_directory(file, layout, int(sub), size, wanted)[0], is_below=True)


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
        raise SlideCorruptError(sentences.TIFF_TILE_SIZE(width=tile_width, height=tile_height))
    if -(-width // tile_width) * -(-height // tile_height) > len(offsets):
        raise SlideCorruptError(sentences.TIFF_TOO_FEW_TILES)


def _check_data(offsets: NDArray[np.uint64], counts: NDArray[np.uint64], size: int) -> None:
    present = counts > 0
    # Compared without adding, which could wrap around.
    if np.any(offsets[present] > size) or np.any(counts[present] > np.uint64(size) - offsets[present]):
        raise _truncated()


def _count(offset: int, seen: set[int]) -> None:
    if offset in seen or len(seen) >= DIRECTORIES_MAX:
        raise SlideCorruptError(sentences.TIFF_LOOP)
    seen.add(offset)


def _truncated() -> SlideCorruptError:
    """The error for a file that ends too early."""
    return SlideCorruptError(sentences.TIFF_CUT_OFF)


def _layout(head: bytes) -> Layout | None:
    for mark, order in ((b"II", "<"), (b"MM", ">")):
        for version, big in ((42, False), (43, True)):
            if head == mark + struct.pack(order + "H", version):
                return Layout(order, big)
    return None


def _read_directory(file: BinaryIO, layout: Layout, offset: int, size: int, wanted: Set[int]) -> tuple[Directory, int]:
    """The directory at ``offset`` and where the next one stands, 0 for none."""
    if offset > size:
        raise _truncated()
    file.seek(offset)
    (count,) = _unpack(file, layout.count)
    packed = _read(file, count * struct.calcsize(layout.entry))
    (following,) = _unpack(file, layout.link)
    entries = tuple(Entry(*fields) for fields in struct.iter_unpack(layout.entry, packed))
    tags: dict[int, NDArray[np.uint64]] = {}
    for entry in entries:
        if entry.tag not in wanted:
            continue
        data, place = entry.inline, entry.place(layout)
        if place is not None:
            if sum(place) > size:
                raise _truncated()
            file.seek(place[0])
            data = _read(file, entry.length)
        if entry.kind in _NUMBERS:
            tags[entry.tag] = np.frombuffer(data[: entry.length], layout.order + _NUMBERS[entry.kind]).astype(np.uint64)
    return Directory(offset, layout, entries, tags), int(following)


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, _read(file, struct.calcsize(layout)))


def _read(file: BinaryIO, length: int) -> bytes:
    if length > os.fstat(file.fileno()).st_size:  # asked first: Python takes the memory before it reads
        raise _truncated()
    data = file.read(length)
    if len(data) < length:
        raise _truncated()
    return data

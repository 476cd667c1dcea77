"""Whether a TIFF is all there: every directory, tile and strip must end before the file does.

A truncated TIFF mostly looks to libtiff like no TIFF at all (its directories stand at the end), or opens with
fewer levels and without complaint; so the offsets are followed here before anything is read.
Sources: TIFF 6.0, sections 2 and 15; BigTIFF's layout as libtiff documents it.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from app.errors import SlideCorruptError

_DIRECTORIES_MAX = 4096
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNSIGNED = {3: "u2", 4: "u4", 16: "u8"}
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS = 256, 257, 322, 323, 324
_TILE_PX_MAX = 16_384
_DATA_TAGS = ((273, 279), (324, 325))
"""(offsets, byte counts) of strips and of tiles."""


@dataclass(frozen=True)
class _Layout:
    """Byte order and the widths of classic TIFF or BigTIFF."""

    order: str
    big: bool

    @property
    def link(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")


def is_tiff(path: Path) -> bool:
    """Whether the file begins as a TIFF or BigTIFF does."""
    with path.open("rb") as file:
        return _layout(file.read(4)) is not None


def check_tiff_complete(path: Path) -> None:
    """Raises SlideCorruptError when a directory, tile or strip lies beyond the end of the TIFF at ``path``."""
    size = path.stat().st_size
    with path.open("rb") as file:
        layout = _layout(file.read(4))
        if layout is None:
            return
        file.seek(8 if layout.big else 4)
        offset = _unpack(file, layout.link)[0]
        seen: set[int] = set()
        while offset:
            if offset in seen or len(seen) >= _DIRECTORIES_MAX:
                raise SlideCorruptError("The TIFF's directories run in a circle: the file is damaged.")
            seen.add(offset)
            offset = _check_directory(file, layout, offset, size)


def _layout(head: bytes) -> _Layout | None:
    for mark, order in ((b"II", "<"), (b"MM", ">")):
        for version, big in ((42, False), (43, True)):
            if head == mark + struct.pack(order + "H", version):
                return _Layout(order, big)
    return None


def _check_directory(file: BinaryIO, layout: _Layout, offset: int, size: int) -> int:
    """Checks the directory at ``offset``; returns where the next one stands, 0 for none."""
    if offset > size:
        raise _truncated()
    file.seek(offset)
    (entries,) = _unpack(file, layout.count)
    packed = _read(file, entries * struct.calcsize(layout.entry))
    (following,) = _unpack(file, layout.link)
    found: dict[int, np.ndarray[tuple[int], np.dtype[np.uint64]]] = {}
    wanted = {tag for pair in _DATA_TAGS for tag in pair} | {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT}
    for tag, kind, count, inline in struct.iter_unpack(layout.entry, packed):
        length = _TYPE_BYTES.get(kind, 1) * count
        data = inline
        if length > len(inline):
            (at,) = struct.unpack(layout.link, inline)
            if at + length > size:
                raise _truncated()
            if tag not in wanted:
                continue
            file.seek(at)
            data = _read(file, length)
        if tag in wanted and kind in _UNSIGNED:
            found[tag] = np.frombuffer(data[:length], layout.order + _UNSIGNED[kind]).astype(np.uint64)
    for offsets_tag, counts_tag in _DATA_TAGS:
        offsets, counts = found.get(offsets_tag), found.get(counts_tag)
        # Where there are fewer byte counts than offsets, libtiff estimates them; such a file is not judged here.
        if offsets is not None and counts is not None and len(offsets) == len(counts) and len(offsets):
            _check_data(offsets, counts, size)
    _check_tiles(found)
    return int(following)


def _check_tiles(found: dict[int, np.ndarray[tuple[int], np.dtype[np.uint64]]]) -> None:
    """The tiles must be enough for the size that the directory claims, and no larger than a reader can hold."""
    sizes = [found.get(tag) for tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT)]
    offsets = found.get(_TILE_OFFSETS)
    if offsets is None or any(size is None or len(size) != 1 for size in sizes):
        return
    width, height, tile_width, tile_height = (int(size[0]) for size in sizes if size is not None)
    if not (0 < tile_width <= _TILE_PX_MAX and 0 < tile_height <= _TILE_PX_MAX):
        raise SlideCorruptError(f"The slide's tiles claim to be {tile_width} × {tile_height} px: the file is damaged.")
    if -(-width // tile_width) * -(-height // tile_height) > len(offsets):
        raise SlideCorruptError("The slide claims to be larger than its tiles are: the file is damaged.")


def _check_data(
    offsets: np.ndarray[tuple[int], np.dtype[np.uint64]], counts: np.ndarray[tuple[int], np.dtype[np.uint64]], size: int
) -> None:
    present = counts > 0
    # Compared without adding, which could wrap around.
    if np.any(offsets[present] > size) or np.any(counts[present] > np.uint64(size) - offsets[present]):
        raise _truncated()


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, _read(file, struct.calcsize(layout)))


def _read(file: BinaryIO, length: int) -> bytes:
    if length > os.fstat(file.fileno()).st_size:  # asked first: Python takes the memory before it reads
        raise _truncated()
    data = file.read(length)
    if len(data) < length:
        raise _truncated()
    return data


def _truncated() -> SlideCorruptError:
    return SlideCorruptError(
        "The file ends before its image does: it was cut off while it was copied or sent. Send it again."
    )

"""Writes a tiled pyramid as scanners do: an SVS-like TIFF, JPEG tiles with shared tables, levels made by averaging.

Sources: TIFF 6.0, section 15; TIFF Technical Note 2 (JPEGTables); the Aperio format as OpenSlide documents it.
"""

import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

UInt8Array = NDArray[np.uint8]
TILE_PX = 256
BLOCK_PX = 4096  # one tile of the level at 1/16
DOWNSAMPLES = (1, 4, 16)
_SHORT, _LONG, _ASCII, _BYTES = 3, 4, 2, 7
_NUMBERS = {_SHORT: "H", _LONG: "I"}
_TABLES = (0xDB, 0xC4)  # quantisation and Huffman tables


@dataclass
class _Level:
    width: int
    height: int
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)

    @property
    def columns(self) -> int:
        return -(-self.width // TILE_PX)

    @property
    def rows(self) -> int:
        return -(-self.height // TILE_PX)


def write_pyramid(
    path: Path,
    size: tuple[int, int],
    block: Callable[[int, int], UInt8Array | None],
    *,
    glass: tuple[int, int, int],
    description: str,
    quality: int,
) -> None:
    """``size``: level 0 (width, height); ``block(x0, y0)``: uint8 [4096, 4096, 3] from there on, None for bare glass.

    Compressed tiles are held in memory until the end, so that they stand in the file level by level, row by row.
    """
    levels = [_Level(size[0] // ds, size[1] // ds) for ds in DOWNSAMPLES]
    tables, empty = _encode(np.full((TILE_PX, TILE_PX, 3), glass, np.uint8), quality)
    with ThreadPoolExecutor(2) as beside:
        for y0 in range(0, size[1], BLOCK_PX):
            for x0 in range(0, size[0], BLOCK_PX):
                pixels = block(x0, y0)
                for level, downsample in zip(levels, DOWNSAMPLES, strict=True):
                    places = _places(level, x0 // downsample, y0 // downsample, BLOCK_PX // downsample)
                    if pixels is None:
                        level.tiles.update(dict.fromkeys(places, empty))
                        continue
                    shrunk = np.asarray(Image.fromarray(pixels).reduce(downsample)) if downsample > 1 else pixels
                    cut = [_cut(shrunk, row, column) for row, column in places]
                    found = beside.map(lambda tile: _encode(tile, quality)[1], cut)
                    level.tiles.update(zip(places, found, strict=True))
    _write(path, levels, tables, description)


def _places(level: _Level, x: int, y: int, side: int) -> list[tuple[int, int]]:
    rows = range(y // TILE_PX, min((y + side) // TILE_PX, level.rows))
    return [(row, col) for row in rows for col in range(x // TILE_PX, min((x + side) // TILE_PX, level.columns))]


def _cut(block: UInt8Array, row: int, column: int) -> UInt8Array:
    across = block.shape[0] // TILE_PX
    y, x = row % across * TILE_PX, column % across * TILE_PX
    return np.ascontiguousarray(block[y : y + TILE_PX, x : x + TILE_PX])


def _encode(tile: UInt8Array, quality: int) -> tuple[bytes, bytes]:
    """(tables, the rest): two abbreviated JPEG streams, as the TIFF keeps them."""
    whole = simplejpeg.encode_jpeg(tile, quality=quality, colorspace="RGB", colorsubsampling="420")
    tables, rest, at = b"\xff\xd8", b"\xff\xd8", 2
    while whole[at + 1] != 0xDA:  # until the scan starts
        end = at + 2 + struct.unpack_from(">H", whole, at + 2)[0]
        if whole[at + 1] in _TABLES:
            tables += whole[at:end]
        elif whole[at + 1] != 0xE0:  # TIFF does without JFIF's marker
            rest += whole[at:end]
        at = end
    return tables + b"\xff\xd9", rest + whole[at:]


def _write(path: Path, levels: list[_Level], tables: bytes, description: str) -> None:
    with path.open("wb") as file:
        file.write(b"II*\0" + bytes(4))
        placed = []
        for level in levels:
            offsets, counts = [], []
            for row in range(level.rows):
                for column in range(level.columns):
                    data = level.tiles[row, column]
                    offsets.append(file.tell())
                    counts.append(len(data))
                    file.write(data)
            placed.append((offsets, counts))
        link = 4
        for number, (level, (offsets, counts)) in enumerate(zip(levels, placed, strict=True)):
            text = description if number == 0 else f"{description.splitlines()[0]}\n{level.width}x{level.height}"
            tags = {
                254: (_LONG, [0 if number == 0 else 1]),
                256: (_LONG, [level.width]),
                257: (_LONG, [level.height]),
                258: (_SHORT, [8, 8, 8]),
                259: (_SHORT, [7]),
                262: (_SHORT, [6]),
                270: (_ASCII, text.encode() + b"\0"),
                277: (_SHORT, [3]),
                284: (_SHORT, [1]),
                322: (_SHORT, [TILE_PX]),
                323: (_SHORT, [TILE_PX]),
                324: (_LONG, offsets),
                325: (_LONG, counts),
                347: (_BYTES, tables),
                530: (_SHORT, [2, 2]),
            }
            entries = b"".join(_entry(file, tag, kind, values) for tag, (kind, values) in tags.items())
            start = file.tell() + file.tell() % 2
            file.seek(start)
            file.write(struct.pack("<H", len(tags)) + entries + bytes(4))
            end = file.tell()
            file.seek(link)
            file.write(struct.pack("<I", start))  # a classic TIFF: fails beyond 4 GiB
            link = end - 4
            file.seek(end)


def _entry(file: BinaryIO, tag: int, kind: int, values: Sequence[int]) -> bytes:
    """A directory's entry; a value of more than four bytes is written where the file ends now."""
    packed = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_NUMBERS[kind]}", *values)
    if len(packed) > 4:
        at = file.tell() + file.tell() % 2
        file.seek(at)
        file.write(packed)
        packed = struct.pack("<I", at)
    return struct.pack("<HHI4s", tag, kind, len(values), packed.ljust(4, b"\0"))

"""Writes tiled TIFFs tag by tag, also such as no scanner should write. Source: TIFF 6.0."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Value = int | float | bytes | tuple[int, ...]
_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SLONG = 2, 3, 4, 5, 7, 9
_CODES = {_SHORT: "H", _LONG: "I", _SLONG: "i"}
_LONGS = frozenset({254, 256, 257, 273, 279, 324, 325, 330})
_SIGNED = frozenset({65424})
"""NDPI's focal plane."""
MPP = 0.5


@dataclass(frozen=True)
class Page:
    """One directory: its tags without those that place the tiles, and its tiles in reading order. Without tag 322 they
    are strips."""

    tags: Mapping[int, Value]
    tiles: Sequence[bytes]


def page(
    pixels: NDArray[np.generic],
    tags: Mapping[int, Value | None] | None = None,
    encode: Callable[[NDArray[np.generic]], bytes] = lambda tile: tile.tobytes(),
    tile_px: int = 256,
) -> Page:
    """A directory of [h, w, samples] ``pixels``, uncompressed 8-bit RGB of ``MPP`` unless ``tags`` and ``encode`` say
    otherwise. A tag of None is left out."""
    height, width, samples = pixels.shape
    usual: dict[int, Value | None] = {
        254: 0,
        256: width,
        257: height,
        258: (8 * pixels.itemsize,) * samples,
        259: 1,
        262: 2 if samples > 1 else 1,
        277: samples,
        282: 1e4 / MPP,
        283: 1e4 / MPP,
        284: 1,
        296: 3,
        322: tile_px,
        323: tile_px,
    }
    wanted = {tag: value for tag, value in {**usual, **(tags or {})}.items() if value is not None}
    return Page(wanted, [encode(tile) for tile in cut(pixels, tile_px)])


def cut(pixels: NDArray[np.generic], tile_px: int) -> Iterator[NDArray[np.generic]]:
    """Tiles [tile_px, tile_px, samples] row by row; those at the edge are filled up with their last pixels."""
    for y in range(0, pixels.shape[0], tile_px):
        for x in range(0, pixels.shape[1], tile_px):
            part = pixels[y : y + tile_px, x : x + tile_px]
            missing = ((0, tile_px - part.shape[0]), (0, tile_px - part.shape[1]), (0, 0))
            yield np.pad(part, missing, mode="edge")


def write_tiff(path: Path, pages: Sequence[Page], order: str = "<") -> Path:
    """A classic TIFF of ``pages``; ``order``: "<" little-endian, ">" big-endian."""
    with path.open("wb") as out:
        out.write({"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 0))
        link = 4
        for one in pages:
            places = []
            for tile in one.tiles:
                places.append(out.tell())
                out.write(tile + b"\0" * (len(tile) % 2))
            lengths = tuple(len(tile) for tile in one.tiles)
            offsets, counts = (324, 325) if 322 in one.tags else (273, 279)
            tags = {**one.tags, offsets: tuple(places), counts: lengths}
            packed = b"".join(_entry(out, order, tag, tags[tag]) for tag in sorted(tags))
            here = out.tell()
            out.write(struct.pack(order + "H", len(tags)) + packed + struct.pack(order + "I", 0))
            out.seek(link)
            out.write(struct.pack(order + "I", here))
            out.seek(0, 2)
            link = out.tell() - 4
    return path


def _entry(out, order: str, tag: int, value: Value) -> bytes:
    if isinstance(value, bytes):
        kind, count, data = (_ASCII if tag in {270, 305} else _UNDEFINED), len(value), value
    elif isinstance(value, float):
        kind, count, data = _RATIONAL, 1, struct.pack(order + "II", round(value * 100), 100)
    else:
        values = value if isinstance(value, tuple) else (value,)
        kind, count = (_LONG if tag in _LONGS else _SLONG if tag in _SIGNED else _SHORT), len(values)
        data = struct.pack(f"{order}{count}{_CODES[kind]}", *values)
    if len(data) > 4:
        at = out.tell()
        out.write(data + b"\0" * (len(data) % 2))
        data = struct.pack(order + "I", at)
    return struct.pack(order + "HHI", tag, kind, count) + data.ljust(4, b"\0")

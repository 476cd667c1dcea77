"""Where the compressed tiles of one pyramid level lie in a TIFF, if they can be read without OpenSlide.

Sources: TIFF 6.0, section 15; TIFF Technical Note 2 (JPEG); Aperio's compressions: 33003 is JPEG 2000 of
YCbCr, 33005 of RGB.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.slides.formats.catalogue import format_of
from app.slides.formats.codestream import Colours
from app.slides.formats.tiff.tiff_directory import Directory, read_directories
from app.slides.formats.tiff.tiff_kind import APERIO_JPEG_2000
from app.slides.formats.tiff.tiff_levels import WANTED as LEVEL_TAGS
from app.slides.formats.tiff.tiff_levels import level_directories, size_of
from app.slides.types import Level, SlideInfo

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR = 256, 257, 258, 259, 262, 277, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _JPEG_TABLES = 322, 323, 324, 325, 347
WANTED = LEVEL_TAGS | frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR}
    | {_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _JPEG_TABLES}
)
_JPEG = 7
_PHOTOMETRICS: dict[int | None, Colours] = {2: "rgb", 6: "ycbcr"}
TILE_PX_MAX = 2048
"""A side. Larger tiles would be decoded whole for every small part."""

Coding = Literal["jpeg-rgb", "jpeg-ycbcr", "jpeg2000-rgb"]
_JPEG_CODINGS: dict[Colours, Coding] = {"rgb": "jpeg-rgb", "ycbcr": "jpeg-ycbcr"}


class NotDirectError(Exception):
    """This slide, or this part of it, has to be read through OpenSlide; the message says why."""


@dataclass(frozen=True)
class TiledImage:
    """One level: its size and its tiles' in px; offsets and byte counts: int64 [rows, columns] (0 bytes: missing).

    ``jpeg_tables``: a JPEG stream of tables alone that the tiles leave out; empty where they hold their own.
    ``shrink``: by how much the decoder makes tiles smaller; all sizes are those after it.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int
    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    coding: Coding
    jpeg_tables: bytes
    shrink: int = 1

    def shrunk(self, factor: int) -> "TiledImage":
        """The same tiles, smaller by ``factor`` (see ``shrinks_by``); a rest of the last row and column is lost."""
        return replace(
            self,
            width=self.width // factor,
            height=self.height // factor,
            tile_width=self.tile_width // factor,
            tile_height=self.tile_height // factor,
            shrink=self.shrink * factor,
        )

    def shrinks_by(self, most: float) -> int:
        """The largest factor, at most ``most``, by which the decoder can make tiles smaller: 1, 2, 4 or 8.

        JPEG is coded in blocks of 8 × 8 frequencies, of which the lowest alone give a smaller picture.
        """
        if not self.coding.startswith("jpeg-"):
            return 1
        fitting = [
            factor
            for factor in (1, 2, 4, 8)
            if factor <= most and self.tile_width % factor == 0 and self.tile_height % factor == 0
        ]
        return max(fitting, default=1)


def find_tiled_image(path: Path, info: SlideInfo, level: int, colours: Mapping[int, Colours]) -> TiledImage:
    """The tiles of one of ``info.levels`` of the TIFF at ``path``. ``colours``: as in ``find_mislabelled``.

    Raises NotDirectError where they are of a kind that is not read here, or where it is not sure which they are;
    SlideCorruptError, OSError.
    """
    if not format_of(info.vendor).is_read_directly:
        raise NotDirectError(f"{info.vendor} is not read directly")
    directories = level_directories(list(read_directories(path, WANTED)), info.vendor)
    wanted = info.levels[level]
    if wanted.number >= len(directories) or not _may_be(directories[wanted.number], wanted, info):
        raise NotDirectError("it is not certain which directory the level is")
    image = image_of(directories[wanted.number], colours.get(wanted.number))
    if format_of(info.vendor).pads_levels:
        return image
    return replace(image, width=wanted.width, height=wanted.height)  # the rest is padding of the last tiles


def _may_be(directory: Directory, level: Level, info: SlideInfo) -> bool:
    """Whether its size fits the level: the same, or padded to complete tiles."""
    beyond = [side - part for side, part in zip(size_of(directory), (level.width, level.height), strict=True)]
    if format_of(info.vendor).pads_levels or level.downsample > 1:
        return min(beyond) >= 0
    return beyond == [0, 0]


def image_of(directory: Directory, colours: Colours | None = None) -> TiledImage:
    """The tiles of a directory with the tags ``WANTED``; ``colours``: what they are where its header is wrong.

    Raises NotDirectError for kinds of tiles that are not read here.
    """
    bits = directory.tags.get(_BITS)
    if bits is None or bits.tolist() != [8, 8, 8] or directory.number(_SAMPLES) != 3:
        raise NotDirectError("pixels are not RGB of 8 bits")
    if directory.number(_PLANAR) not in {None, 1}:
        raise NotDirectError("channels lie in planes")
    numbers = [directory.number(tag) for tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT)]
    width, height, tile_width, tile_height = (number or 0 for number in numbers)
    if not (width and height and 0 < tile_width <= TILE_PX_MAX and 0 < tile_height <= TILE_PX_MAX):
        raise NotDirectError(f"tiles of {tile_width} × {tile_height} px")
    shape = -(-height // tile_height), -(-width // tile_width)
    offsets, byte_counts = directory.tags[_TILE_OFFSETS], directory.tags.get(_TILE_BYTES)
    if byte_counts is None or not len(offsets) == len(byte_counts) == shape[0] * shape[1]:
        raise NotDirectError("the tiles are not as many as the size asks for")
    tables = directory.tags.get(_JPEG_TABLES)
    return TiledImage(
        width=width,
        height=height,
        tile_width=tile_width,
        tile_height=tile_height,
        offsets=offsets.astype(np.int64).reshape(shape),
        byte_counts=byte_counts.astype(np.int64).reshape(shape),
        coding=_coding(directory, colours),
        jpeg_tables=b"" if tables is None else tables.astype(np.uint8).tobytes(),
    )


def _coding(directory: Directory, colours: Colours | None) -> Coding:
    compression, photometric = directory.number(_COMPRESSION), directory.number(_PHOTOMETRIC)
    if compression == _JPEG and photometric in _PHOTOMETRICS:
        return _JPEG_CODINGS[colours or _PHOTOMETRICS[photometric]]
    aperio = APERIO_JPEG_2000.get(compression or 0)
    if aperio is not None and (colours or aperio) == "rgb":
        return "jpeg2000-rgb"
    raise NotDirectError(f"compression {compression} with photometric interpretation {photometric}")

"""Pixels of one pyramid level out of its compressed tiles, each of them decoded once."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.slides.closing import Closing
from app.slides.formats.compressed.tile_codec import decode_tile
from app.slides.formats.compressed.tiled_image import NotDirectError, TiledImage
from app.slides.types import UInt8Array

CACHE_BYTES = 128 * 2**20
"""Decoded tiles that wait for the next row of 5x tiles: one row of them, 31 MB for a level of 40,000 px."""
_WHITE = 255
_SWELL = 2
"""No coder makes a tile twice as large as its pixels. A larger size in the file is not trusted."""


@dataclass(frozen=True)
class LevelRect:
    """Whole px of a level; may reach beyond its edges."""

    x: int
    y: int
    width: int
    height: int


class DirectLevel(Closing):
    """The level's compressed tiles at hand. ``rects``: what will be read, in that order; closes with its block.

    ``fill_missing``: missing tiles are white, as in OpenSlide.

    Raises OSError when the file cannot be opened or read.
    """

    def __init__(
        self, path: Path, image: TiledImage, rects: Sequence[LevelRect] = (), *, fill_missing: bool = False
    ) -> None:
        self.image = image
        self._fill_missing = fill_missing
        self.tiles_decoded = 0
        self._decoded: dict[tuple[int, int], UInt8Array] = {}
        self._last_use = np.full(image.offsets.shape, -1, np.int32)
        for number, rect in enumerate(rects):
            rows, columns = self._touched(rect)
            self._last_use[rows.start : rows.stop, columns.start : columns.stop] = number
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the file and of the decoded tiles."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._decoded.clear()

    def read(self, rect: LevelRect, number: int = -1) -> UInt8Array:
        """uint8 [rect.height, rect.width, 3] RGB, white beyond the image; ``number``: which of ``rects`` it is.

        Raises NotDirectError where a tile is missing or not beyond doubt.
        """
        image = self.image
        region: UInt8Array = np.full((rect.height, rect.width, 3), _WHITE, np.uint8)
        rows, columns = self._touched(rect)
        for row in rows:
            top, bottom = row * image.tile_height, min((row + 1) * image.tile_height, image.height)
            y0, y1 = max(rect.y, top), min(rect.y + rect.height, bottom)
            for column in columns:
                left, right = column * image.tile_width, min((column + 1) * image.tile_width, image.width)
                x0, x1 = max(rect.x, left), min(rect.x + rect.width, right)
                tile = self._tile(row, column)
                region[y0 - rect.y : y1 - rect.y, x0 - rect.x : x1 - rect.x] = tile[
                    y0 - top : y1 - top, x0 - left : x1 - left
                ]
                if self._last_use[row, column] == number:
                    self._decoded.pop((row, column), None)
        return region

    def _touched(self, rect: LevelRect) -> tuple[range, range]:
        """Rows and columns of the tiles under a rectangle."""
        image = self.image
        bottom, right = min(rect.y + rect.height, image.height), min(rect.x + rect.width, image.width)
        rows = range(max(rect.y, 0) // image.tile_height, -(-bottom // image.tile_height))
        return rows, range(max(rect.x, 0) // image.tile_width, -(-right // image.tile_width))

    def _tile(self, row: int, column: int) -> UInt8Array:
        tile = self._decoded.get((row, column))
        if tile is None and self._fill_missing and self.image.byte_counts[row, column] == 0:
            return np.full((self.image.tile_height, self.image.tile_width, 3), _WHITE, np.uint8)
        if tile is None:
            tile = decode_tile(self._compressed(row, column), self.image)
            self.tiles_decoded += 1
            while self._decoded and (len(self._decoded) + 1) * tile.nbytes > CACHE_BYTES:
                del self._decoded[next(iter(self._decoded))]
            self._decoded[row, column] = tile
        return tile

    def _compressed(self, row: int, column: int) -> bytes:
        count = int(self.image.byte_counts[row, column])
        if count == 0:
            raise NotDirectError("a tile that is missing from the file")
        pixels = self.image.tile_width * self.image.tile_height * self.image.shrink**2
        if count > _SWELL * 3 * pixels:
            raise NotDirectError(f"a tile of {count} bytes")
        data = os.pread(self._fd, count, int(self.image.offsets[row, column]))
        if len(data) < count:
            raise NotDirectError("a tile that ends after the file does")
        return data

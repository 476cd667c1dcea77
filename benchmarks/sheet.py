"""Lays pieces of real tissue out on an empty slide, mirrored in turn, until it holds as many 5x tiles as are wanted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.slides.tiles.grid import make_grid, select_tiles, tissue_fractions
from app.slides.tissue.regions import find_regions

MASK_PX = 32
"""Level-0 px of one mask pixel; pieces and places are whole numbers of them."""
BoolArray = NDArray[np.bool_]
_GAP = 6
_SMALLEST = 0.2  # of the largest piece: smaller ones waste a row


@dataclass(frozen=True)
class Piece:
    """A box of the source: number of the slide, x, y in mask px, and what of it is tissue, bool [h, w]."""

    source: int
    x: int
    y: int
    mask: BoolArray


@dataclass(frozen=True)
class Placed:
    """A piece at (x, y) of the sheet, mask px; mirrored left-right and top-bottom."""

    piece: Piece
    x: int
    y: int
    mirrored: tuple[bool, bool]

    def turned(self, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels[:: -1 if self.mirrored[1] else 1, :: -1 if self.mirrored[0] else 1]


def find_pieces(mask: BoolArray, source: int = 0) -> list[Piece]:
    """The larger regions of a slide's tissue, mask px, the tallest first."""
    regions = find_regions(mask)
    areas = regions.areas()
    boxes = regions.boxes()[areas >= _SMALLEST * areas.max()]
    pieces = [Piece(source, int(x0), int(y0), mask[y0:y1, x0:x1]) for x0, y0, x1, y1 in boxes]
    return sorted(pieces, key=lambda piece: -piece.mask.shape[0])


def fullest_window(mask: BoolArray, width: int, height: int) -> Piece:
    """The box of that size with the most tissue."""
    sums = np.pad(mask.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return Piece(0, int(x), int(y), mask[y : y + height, x : x + width])


def lay_out(pieces: list[Piece], size: tuple[int, int], mpp: float, tiles: int) -> list[Placed]:
    """As many copies as it takes until the sheet (level-0 px) has ``tiles`` tiles. ValueError if they do not fit."""
    grid = make_grid(*size, mpp)
    sheet = np.zeros((size[1] // MASK_PX, size[0] // MASK_PX), np.bool_)
    placed: list[Placed] = []
    for place in _places(pieces, sheet.shape):
        placed.append(replace(place, mirrored=(len(placed) % 2 == 1, len(placed) // 2 % 2 == 1)))
        mask = placed[-1].turned(place.piece.mask)
        sheet[place.y : place.y + mask.shape[0], place.x : place.x + mask.shape[1]] |= mask
        found = len(select_tiles(tissue_fractions(sheet, *size, grid), 0.10).indices)
        if found >= tiles:
            return placed
    raise ValueError(f"{tiles} tiles do not fit: {found}")


def _places(pieces: list[Piece], shape: tuple[int, int]) -> Iterator[Placed]:
    """Row by row, each row of copies of one piece."""
    y, number = _GAP, 0
    while True:
        height, width = pieces[number % len(pieces)].mask.shape
        if y + height > shape[0]:
            return
        for x in range(_GAP, shape[1] - width, width + _GAP):
            yield Placed(pieces[number % len(pieces)], x, y, (False, False))
        y += height + _GAP
        number += 1

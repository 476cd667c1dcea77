"""Chooses places at which to compare an image: where it has most detail, or spread over it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.slides.formats.levels.level_shape import Size

PLACE_MIN_PX = 8
"""Least side of a place; a smaller one proves nothing."""
PLACE_INSET_PX = 2
"""Margin left out of a tile, because OpenSlide also decodes the neighbours when it interpolates."""
_PLACES_MAX = 48
"""Places tried until one holds more than glass, if tile sizes give no hint."""
_PLACE_PX = 512
_GOLDEN = 0.618034
"""Steps of this fraction spread evenly over the image."""


@dataclass(frozen=True)
class Place:
    """A part of an image in its own px, such as a tile; at least ``PLACE_MIN_PX`` on each side."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Places:
    """Places to compare. ``fullest_first``: the first has most detail, so if it is flat, all are; ``all``: none is left
    out."""

    in_order: Sequence[Place]
    fullest_first: bool
    all: bool


def places_in(
    size: Size, tile: Size, stored: Size, counts: NDArray[np.uint64] | None, torn: NDArray[np.bool_] | None = None
) -> Places:
    """Places to compare in an image of ``size`` that is stored as one of size ``stored``, in tiles of size ``tile``.

    First the tiles with most bytes by ``counts``; without ``counts``, places all over the image. Large tiles
    in parts. Tiles that are ``torn`` come last. No place if ``tile`` is not a valid size.
    """
    if min(tile) < 1:
        return Places((), fullest_first=False, all=False)
    across = -(-stored[0] // tile[0])
    tiles = across * -(-size[1] // tile[1])
    if counts is None:
        steps = [int(step * _GOLDEN % 1 * tiles) for step in range(1, 2 * _PLACES_MAX)]
        order = list(dict.fromkeys([*steps, *range(min(tiles, _PLACES_MAX))]))
    else:
        order = [int(at) for at in np.argsort(counts)[::-1] if counts[at]]
    is_torn = torn is not None and bool(torn.any())
    if torn is not None and is_torn:
        order.sort(key=lambda at: bool(torn[at]))
    order = order[:_PLACES_MAX]
    places: list[Place] = []
    for at in order:
        top, left = at // across * tile[1], at % across * tile[0]
        bottom, right = min(top + tile[1], size[1]) - PLACE_INSET_PX, min(left + tile[0], size[0]) - PLACE_INSET_PX
        for y in range(top + PLACE_INSET_PX, bottom, _PLACE_PX):
            for x in range(left + PLACE_INSET_PX, right, _PLACE_PX):
                places.append(Place(x, y, min(_PLACE_PX, right - x), min(_PLACE_PX, bottom - y)))
    places = [place for place in places if min(place.width, place.height) >= PLACE_MIN_PX]
    return Places(
        places[:_PLACES_MAX],
        fullest_first=counts is not None and not is_torn and max(tile) <= _PLACE_PX,
        all=tiles <= len(order) and len(places) <= _PLACES_MAX,
    )

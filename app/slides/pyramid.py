"""Which of the images that OpenSlide calls levels are levels of the slide, and by how much each is coarser.

OpenSlide believes a file's flags: a label or macro that is marked as a smaller copy is a level to it. Here a level has
the slide's shape and shows the slide's pixels, or is none: it is never shown, read or counted. Level 0 is always one.
"""

import logging
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray

from app.errors import SlideCorruptError
from app.slides.checks import SIDE_MAX_PX
from app.slides.level_pixels import PLACE_INSET_PX, PLACE_MIN_PX, Picture, Place, Places, find_scale
from app.slides.level_shape import content_size, filled_downsamples, rounded_downsample
from app.slides.tiff_directory import Directory, read_directories
from app.slides.tiff_levels import (
    VENDORS,
    WANTED,
    is_another_kind,
    level_directories,
    refuse_larger,
    size_of,
    tile_bytes,
    tile_size,
)
from app.slides.types import Level

log = logging.getLogger(__name__)
_PLACES_MAX = 48
"""Tiles looked at until one holds more than glass, where nothing tells which do."""
_PLACE_PX = 512
_GOLDEN = 0.618034
"""Steps of this fraction of a whole spread evenly over it."""
_COARSER_BY = 1.001
"""Levels lie further apart than this; one of the same size again is no further level."""


def find_levels(slide: openslide.OpenSlide, entry: Path) -> tuple[Level, ...]:
    """The levels of the open slide, finest first. ``entry``: the file it was opened by.

    Raises SlideUnsupportedError where the file contains a larger image than level 0; SlideCorruptError, also for
    impossible sizes; OSError.
    """
    width, height = slide.dimensions
    if not (0 < width <= SIDE_MAX_PX and 0 < height <= SIDE_MAX_PX):
        raise SlideCorruptError(f"The slide claims {width} × {height} px, which no scanner makes.")
    if any(side < 1 for size in slide.level_dimensions for side in size):
        raise SlideCorruptError("A level of the slide has no pixels: the file is damaged.")
    numbers = sorted(range(1, slide.level_count), key=lambda number: -slide.level_dimensions[number][0])
    levels = [Level(0, width, height, 1.0)]
    if slide.properties.get(openslide.PROPERTY_NAME_VENDOR) in VENDORS:
        directories = _directories(slide, entry)
        for number in numbers if directories else ():
            try:
                levels += _by_pixels(slide, number, levels, directories[number])
            except openslide.OpenSlideError as error:
                raise SlideCorruptError(
                    "A level of the slide cannot be decoded: it is damaged or was not copied whole. "
                    "Export or copy it again."
                ) from error
    else:  # the format names its levels
        for number in numbers:
            levels += _by_shape(slide, number, levels)
    if len(levels) < slide.level_count:
        log.info("%d of %d images are no level of the slide", slide.level_count - len(levels), slide.level_count)
    return tuple(levels)


def _directories(slide: openslide.OpenSlide, entry: Path) -> list[Directory]:
    """The directory of each of OpenSlide's levels; none where it is not certain which they are."""
    vendor = slide.properties[openslide.PROPERTY_NAME_VENDOR]
    all_of_them = list(read_directories(entry, WANTED, below=True))
    found = level_directories(all_of_them, vendor)
    refuse_larger(all_of_them, found)
    if len(found) != slide.level_count:
        return []
    for directory, size in zip(found, slide.level_dimensions, strict=True):
        beyond = [side - part for side, part in zip(size_of(directory), size, strict=True)]
        # Philips fills up the last tiles and counts them in; OpenSlide knows the true size from elsewhere.
        if min(beyond) < 0 or (max(beyond) > 0 and vendor != "philips"):
            return []
    return found


def _by_shape(slide: openslide.OpenSlide, number: int, finer: list[Level]) -> list[Level]:
    size = slide.level_dimensions[number]
    downsample = rounded_downsample((finer[0].width, finer[0].height), size)
    if downsample is None or downsample < finer[-1].downsample * _COARSER_BY:
        return []
    return [Level(number, *size, downsample)]


def _by_pixels(slide: openslide.OpenSlide, number: int, finer: list[Level], directory: Directory) -> list[Level]:
    """The level, or nothing."""
    size0, size = (finer[0].width, finer[0].height), slide.level_dimensions[number]
    tile, counts = tile_size(directory), tile_bytes(directory)
    rounded = rounded_downsample(size0, size)
    downsamples = [] if rounded is None else [rounded]
    downsamples += [other for other in filled_downsamples(size0, size, tile) if other != rounded]
    downsamples = [downsample for downsample in downsamples if downsample >= finer[-1].downsample * _COARSER_BY]
    if not downsamples or is_another_kind(directory):
        return []
    scales = [downsample / finer[-1].downsample for downsample in downsamples]
    places = _places(size, tile, -(-size_of(directory)[0] // tile[0]), counts)
    scale = find_scale(Picture(slide, number), Picture(slide, finer[-1].number), scales, places)
    if scale is None:
        return []
    downsample = downsamples[scales.index(scale)]
    return [Level(number, *content_size(size0, size, downsample), downsample)]


def _places(size: tuple[int, int], tile: tuple[int, int], across: int, counts: NDArray[np.uint64] | None) -> Places:
    """Where to look at an image of ``size`` in tiles of size ``tile``, ``across`` in a row of the file.

    Those tiles first that hold most; where ``counts`` do not tell, from all over it. Large tiles in parts.
    """
    tiles = across * -(-size[1] // tile[1])
    if counts is None:
        steps = [int(step * _GOLDEN % 1 * tiles) for step in range(1, 2 * _PLACES_MAX)]
        order = list(dict.fromkeys([*steps, *range(min(tiles, _PLACES_MAX))]))
    else:
        order = [int(at) for at in np.argsort(counts)[::-1][:_PLACES_MAX] if counts[at]]
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
        fullest_first=counts is not None and max(tile) <= _PLACE_PX,
        all=tiles <= len(order) and len(places) <= _PLACES_MAX,
    )

"""Finds the true levels among the images that OpenSlide calls levels, and their downsample factors.

OpenSlide trusts a file's flags: a label or macro marked as a smaller copy counts as a level. Here a level has
the slide's shape and shows the slide's pixels, or is none: it is never shown, read or counted. Level 0 is always one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray

from app.errors import SlideCorruptError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.catalogue import format_of
from app.slides.formats.compressed.direct_level import DirectLevel
from app.slides.formats.compressed.tiled_image import WANTED, NotDirectError, image_of
from app.slides.formats.dicom.dicom_study import DicomSlide
from app.slides.formats.finding import FoundSlide
from app.slides.formats.levels.dicom_levels import level_spacings, spaced_downsample
from app.slides.formats.levels.level_gaps import has_gaps, missing_tiles, torn_tiles
from app.slides.formats.levels.level_pixels import Picture, find_scale
from app.slides.formats.levels.level_places import places_in
from app.slides.formats.levels.level_shape import Size, content_size, filled_downsamples, is_filled, rounded_downsample
from app.slides.formats.tiff.tiff_directory import Directory, read_directories
from app.slides.formats.tiff.tiff_levels import (
    is_another_kind,
    level_directories,
    refuse_larger,
    size_of,
    tile_bytes,
    tile_size,
)
from app.slides.types import SIDE_MAX_PX, Level

_SPACING_TOLERANCE = 0.01
"""Largest difference between the spacing in the header and that computed from the sizes."""
_COARSER_BY = 1.001
"""Least ratio between levels; another image of the same size is not a level."""
_COMPARED_BY_MOST = 256
"""Greatest ratio of levels whose pixels are compared: beyond it, a few px would cover much of the other."""
_IMAGES_MAX = 64
"""Most of OpenSlide's levels that are checked; slides have a dozen."""
_COARSER_BY_MOST = 16
"""Largest factor tried for padded levels, to limit the work."""


@dataclass(frozen=True)
class _Files:
    """A TIFF and its directories by OpenSlide's numbers."""

    path: Path
    directories: Sequence[Directory]

    def direct(self, number: int) -> DirectLevel | None:
        """The level's compressed tiles; None if only OpenSlide can read them."""
        try:
            return DirectLevel(self.path, image_of(self.directories[number]))
        except NotDirectError:
            return None


@dataclass(frozen=True)
class _Candidate:
    """One of OpenSlide's levels, to be judged.

    ``finer``: the coarsest of the finer ones that are levels. ``files``: where and how each of OpenSlide's levels lies
    in a TIFF, if it is one.
    """

    slide: openslide.OpenSlide
    number: int
    whole: Level
    finer: Level
    files: _Files | None = None

    @property
    def size0(self) -> Size:
        return self.whole.width, self.whole.height

    @property
    def size(self) -> Size:
        width, height = self.slide.level_dimensions[self.number]
        return width, height

    def picture(self, number: int) -> Picture:
        return Picture(self.slide, number, None if self.files is None else self.files.direct(number))

    def level(self, downsample: float) -> Level:
        return Level(self.number, *content_size(self.size0, self.size, downsample), downsample)

    def by_pixels(
        self,
        downsamples: Sequence[float],
        tile: Size,
        stored: Size,
        counts: NDArray[np.uint64] | None = None,
        torn: NDArray[np.bool_] | None = None,
    ) -> Level | None:
        """The level at the one of ``downsamples`` at which it shows the slide; other arguments as in ``places_in``."""
        least, most = (self.finer.downsample * factor for factor in (_COARSER_BY, _COMPARED_BY_MOST))
        fitting = [downsample for downsample in downsamples if least <= downsample <= most]
        if not fitting:
            return None
        scales = [downsample / self.finer.downsample for downsample in fitting]
        content = content_size(self.size0, self.size, max(fitting))
        places = places_in(content, tile, stored, counts, torn)
        if content != self.size:  # what lies beyond is not looked at, and may hold more
            places = replace(places, fullest_first=False, all=False)
        with self.picture(self.number) as picture, self.picture(self.finer.number) as finer:
            scale = find_scale(picture, finer, scales, places)
        return None if scale is None else self.level(fitting[scales.index(scale)])


_Judge = Callable[[_Candidate], Level | None]


def find_levels(slide: openslide.OpenSlide, found: FoundSlide) -> tuple[Level, ...]:
    """The levels of ``found``, open as ``slide``, finest first.

    Raises SlideUnsupportedError if the file contains a larger image than level 0; SlideCorruptError, also for
    impossible sizes; OSError.
    """
    width, height = slide.dimensions
    if not (0 < width <= SIDE_MAX_PX and 0 < height <= SIDE_MAX_PX):
        raise SlideCorruptError(sentences.SIZE_IMPOSSIBLE(width=width, height=height))
    if any(side < 1 for size in slide.level_dimensions for side in size):
        raise SlideCorruptError(sentences.LEVEL_EMPTY)
    vendor = slide.properties.get(openslide.PROPERTY_NAME_VENDOR)
    try:
        if format_of(vendor).is_read_directly:
            return _found(slide, _of_tiff(slide, found.entry))
        return _found(slide, _by_shape if found.dicom is None else _of_dicom(slide, found.dicom))
    except openslide.OpenSlideError as error:
        raise SlideCorruptError(sentences.LEVEL_UNDECODABLE) from error


def missing_at(slide: openslide.OpenSlide, entry: Path, level: Level, shape: tuple[int, int]) -> NDArray[np.int64]:
    """int64 [*shape], a picture of the entire slide: the numbers of missing tiles, else -1.

    A tile is missing if the file lacks it in ``level`` and in those that OpenSlide draws the level from.

    Raises SlideCorruptError, OSError.
    """
    vendor = slide.properties.get(openslide.PROPERTY_NAME_VENDOR)
    directories = _directories(slide, entry) if format_of(vendor).is_read_directly else []
    if not directories:
        return np.full(shape, -1)
    missing = missing_tiles(directories[level.number], level.downsample, slide.dimensions, shape)
    if format_of(vendor).fills_missing_tiles:
        missing[missing_tiles(directories[0], 1.0, slide.dimensions, shape) < 0] = -1
    return missing


def _found(slide: openslide.OpenSlide, judge: _Judge) -> tuple[Level, ...]:
    levels = [Level(0, *slide.dimensions, 1.0)]
    numbers = sorted(range(1, slide.level_count), key=lambda number: -slide.level_dimensions[number][0])
    for number in numbers[:_IMAGES_MAX]:
        found = judge(_Candidate(slide, number, levels[0], levels[-1]))
        if found is not None and found.downsample >= levels[-1].downsample * _COARSER_BY:
            levels.append(found)
    return tuple(levels)


def _by_shape(candidate: _Candidate) -> Level | None:
    """The levels of formats that name them."""
    downsample = rounded_downsample(candidate.size0, candidate.size)
    return None if downsample is None else candidate.level(downsample)


def _of_tiff(slide: openslide.OpenSlide, entry: Path) -> _Judge:
    directories = _directories(slide, entry)
    vendor = slide.properties[openslide.PROPERTY_NAME_VENDOR]

    def judge(candidate: _Candidate) -> Level | None:
        if not directories or is_another_kind(directories[candidate.number]):
            return None
        directory = directories[candidate.number]
        tile, counts = tile_size(directory), tile_bytes(directory)
        rounded = rounded_downsample(candidate.size0, candidate.size)
        filled = filled_downsamples(
            candidate.size0, candidate.size, tile, candidate.finer.downsample * _COARSER_BY_MOST
        )
        downsamples = [*([] if rounded is None else [rounded]), *(other for other in filled if other != rounded)]
        files = _Files(entry, directories)
        finer = directories[candidate.finer.number]
        torn = torn_tiles(directory, finer, size_of(finer)[0] / size_of(directory)[0])
        level = replace(candidate, files=files).by_pixels(downsamples, tile, size_of(directory), counts, torn)
        if level is None or format_of(vendor).fills_missing_tiles:
            return level
        return None if has_gaps(directory, finer, level.downsample / candidate.finer.downsample) else level

    return judge


def _of_dicom(slide: openslide.OpenSlide, dicom: DicomSlide) -> _Judge:
    """A DICOM instance states its pixel spacing, which its size or pixels must confirm. That it shows the same
    part of the same slide is told by pixels alone."""
    spacings = level_spacings(dicom.levels)

    def judge(candidate: _Candidate) -> Level | None:
        rounded = rounded_downsample(candidate.size0, candidate.size)
        name = f"openslide.level[{candidate.number}].tile-"
        tile = int(slide.properties.get(name + "width", 0)), int(slide.properties.get(name + "height", 0))
        said = spaced_downsample(spacings.get(candidate.size0), spacings.get(candidate.size))
        downsamples = [] if rounded is None else [rounded]
        borne_out = said is not None and rounded is not None and abs(said / rounded - 1) <= _SPACING_TOLERANCE
        if said is not None and not borne_out and is_filled(candidate.size0, candidate.size, tile, said):
            downsamples = [said]
        return candidate.by_pixels(downsamples, tile, candidate.size)

    return judge


def _directories(slide: openslide.OpenSlide, entry: Path) -> list[Directory]:
    """The directory of each of OpenSlide's levels; empty if they are not certain."""
    vendor = slide.properties[openslide.PROPERTY_NAME_VENDOR]
    all_of_them = list(read_directories(entry, WANTED, below=True))
    found = level_directories(all_of_them, vendor)
    refuse_larger(all_of_them, found)
    if len(found) != slide.level_count:
        return []
    for directory, size in zip(found, slide.level_dimensions, strict=True):
        beyond = [side - part for side, part in zip(size_of(directory), size, strict=True)]
        # OpenSlide takes the true size of padded levels from elsewhere.
        if min(beyond) < 0 or (max(beyond) > 0 and not format_of(vendor).pads_levels):
            return []
    return found

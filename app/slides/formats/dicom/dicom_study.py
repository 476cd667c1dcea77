"""Finds the slide in a DICOM study: the levels of its pyramid. All other files are ignored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import NotASlideError, SlideCorruptError, SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.dicom.dicom_headers import DicomHeader
from app.slides.formats.dicom.dicom_kind import unreadable_dicom
from app.slides.formats.files import several_slides
from app.slides.identity import DicomIdentity

_NAMED_MAX = 5
"""Kinds that a message names."""


@dataclass(frozen=True)
class DicomSlide:
    """One slide. ``images``: all of its series, label and overview too; ``levels``: its VOLUME images to be read, the
    largest first.
    """

    images: tuple[DicomHeader, ...]
    levels: tuple[DicomHeader, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All that the slide consists of, sorted."""
        return tuple(sorted(image.path for image in self.images))

    @property
    def entry(self) -> Path:
        """The file to open it by."""
        return self.levels[0].path

    @property
    def identity(self) -> DicomIdentity | None:
        """The slide's identifiers, from its largest level."""
        return self.levels[0].identity


def slide_in(headers: Sequence[DicomHeader]) -> DicomSlide:
    """The one slide among ``headers``: the VOLUME images of one series, or of several that are levels of one pyramid.

    Raises NotASlideError for several slides, and SlideUnsupportedError if there is no level of a slide. Raises
    SlideCorruptError if a level does not state its series or size.
    """
    levels = [header for header in headers if header.is_volume]
    if not levels:
        raise _no_level(headers)
    if any(header.series_uid is None or _size(header) == (0, 0) for header in levels):
        raise SlideCorruptError(sentences.DICOM_NO_SIZE)
    levels.sort(key=lambda header: (_size(header), header.path.stat().st_size), reverse=True)
    series = _series(levels)
    if not _are_levels_of_one(list(series.values())):
        raise _several(series)
    images = [header for header in headers if header.is_slide_image and header.series_uid in series]
    return DicomSlide(tuple(images), tuple(series[levels[0].series_uid]))


def _series(levels: Iterable[DicomHeader]) -> dict[str | None, list[DicomHeader]]:
    found: dict[str | None, list[DicomHeader]] = {}
    for header in levels:
        found.setdefault(header.series_uid, []).append(header)
    return found


def _are_levels_of_one(series: Sequence[Sequence[DicomHeader]]) -> bool:
    """Whether all images show one piece of glass in one coordinate system, with no scale in two series.

    Of one series only what contradicts counts: levels with a frame of reference each are known, and a container that
    is not named.
    """
    owners = [level.identity for levels in series for level in levels if level.identity is not None]
    if any(len(names - {None}) > 1 for names in ({o.container for o in owners}, {o.accession for o in owners})):
        return False
    if len(series) == 1:
        return True
    places = {(owner.study_uid, owner.frame_of_reference_uid, owner.container) for owner in owners}
    sizes = [{_size(level) for level in levels} for levels in series]
    return len(places) == 1 and None not in next(iter(places))[:2] and _are_disjoint(sizes)


def _are_disjoint(sets: Sequence[set[tuple[int, int]]]) -> bool:
    return sum(map(len, sets)) == len(set().union(*sets))


def _size(header: DicomHeader) -> tuple[int, int]:
    return header.width or 0, header.height or 0


def _several(series: dict[str | None, list[DicomHeader]]) -> NotASlideError:
    if len(series) == 1:
        return NotASlideError(sentences.DICOM_OWNERS)
    return several_slides(len(series))


def _no_level(headers: Sequence[DicomHeader]) -> SlideUnsupportedError:
    if (reason := unreadable_dicom(headers)) is not None:
        return reason
    kinds = ", ".join(sorted({header.kind for header in headers})[:_NAMED_MAX])
    return SlideUnsupportedError(sentences.DICOM_NO_SLIDE(kinds=kinds))

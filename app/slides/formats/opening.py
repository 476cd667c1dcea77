"""Opens a slide with OpenSlide, or says in plain words why not. Only reader processes come here."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import openslide

from app.errors import (
    EmptyUploadError,
    NotASlideError,
    SlideCorruptError,
    SlideError,
    SlideMissingError,
    SlideUnsupportedError,
)
from app.slides.closing import Closing
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.barcode import header_barcode
from app.slides.formats.codestream import Colours
from app.slides.formats.colours.corrected_slide import CorrectedSlide
from app.slides.formats.colours.mislabelled import find_mislabelled
from app.slides.formats.finding import FoundSlide, find_slide
from app.slides.formats.levels.pyramid import find_levels
from app.slides.formats.metadata import read_info
from app.slides.formats.tiff.parts import parts_left_out
from app.slides.formats.tiff.tiff_directory import check_tiff_complete, is_tiff
from app.slides.formats.tiff.tiff_levels import refuse_disorder
from app.slides.formats.unsupported import refuse_unopened, refuse_unsupported, why_unreadable
from app.slides.types import SlideInfo

CACHE_BYTES = 128 * 2**20
"""Decoded tiles that OpenSlide keeps: neighbouring 5x tiles share theirs along two rows of a wide slide."""
_BY_CONTENT = (openslide.OpenSlideError, struct.error, ValueError, KeyError, IndexError, OverflowError)
"""What reading a damaged or hostile file may end in."""


@dataclass(frozen=True)
class OpenedSlide(Closing):
    """An open slide and what is known of it; closes with its ``with`` block.

    ``found``: the slide's files, and the headers of a DICOM slide.
    ``colours``: true colours of levels with a wrong header, by OpenSlide's number; ``slide`` corrects them.
    ``warnings``: for the result.
    """

    slide: openslide.OpenSlide
    info: SlideInfo
    found: FoundSlide
    colours: Mapping[int, Colours] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def entry(self) -> Path:
        """The file that was opened, or the main file of several."""
        return self.found.entry

    def close(self) -> None:
        """Close the file."""
        self.slide.close()


BeforeDecoding = Callable[[Path, tuple[Path, ...]], None]
"""Called with the file to open the slide by, and all its files, before any decoder reads them."""


def open_slide(path: Path, mpp: float | None = None, before: BeforeDecoding = lambda *_: None) -> OpenedSlide:
    """The slide at ``path``: a file, or a folder that holds one slide. ``mpp`` overrides what the file says (µm/px).

    Raises SlideMissingError, EmptyUploadError, SlideUnsupportedError, SlideTooManyFilesError and OSError. Raises
    NotASlideError if no reader knows it, or if a folder holds no slide or several. Raises SlideCorruptError if it is
    truncated or broken, and the errors of ``read_info`` if its resolution cannot be used.
    """
    if not path.exists():
        raise SlideMissingError(sentences.NO_FILE)
    try:
        return _open_found(find_slide(path), mpp, before)
    except _BY_CONTENT as error:
        raise SlideCorruptError(sentences.INCONSISTENT) from error


def _open_found(found: FoundSlide, mpp: float | None, before: BeforeDecoding) -> OpenedSlide:
    entry = found.entry
    if entry.stat().st_size == 0:
        raise EmptyUploadError(sentences.EMPTY_FILE)
    before(entry, found.files)
    refuse_unopened(found)
    slide = _open(found)
    try:
        refuse_unsupported(slide, found)
        warnings, mislabelled = parts_left_out(slide, entry), find_mislabelled(slide, found)
        if mislabelled.levels:
            corrected = CorrectedSlide(found, mislabelled.levels)
            slide.close()
            slide = corrected
            warnings += (mislabelled.warning,)
        slide.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
        info = replace(
            read_info(slide, find_levels(slide, found), mpp),
            identity=None if found.dicom is None else found.dicom.identity,
            barcode=header_barcode(slide.properties),
        )
        return OpenedSlide(slide, info, found, mislabelled.levels, warnings)
    except BaseException:
        slide.close()
        raise


def _open(found: FoundSlide) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(found.entry)
    except openslide.OpenSlideUnsupportedFormatError:
        raise _unrecognised(found) from None
    except openslide.OpenSlideError as error:
        raise why_unreadable(found, str(error)) or SlideCorruptError(sentences.CANNOT_OPEN) from error


def _unrecognised(found: FoundSlide) -> SlideError:
    """The error for a file that OpenSlide does not know; a cut-off TIFF is one that it would have known."""
    if is_tiff(found.entry):
        try:
            check_tiff_complete(found.entry)
            refuse_disorder(found.entry)
        except (SlideCorruptError, SlideUnsupportedError) as error:
            return error
    return why_unreadable(found) or NotASlideError(sentences.NO_READER)

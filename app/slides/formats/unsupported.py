"""Tells unsupported slides, which OpenSlide cannot open or would show wrongly, from damaged ones."""

import re

import openslide

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.catalogue import format_of
from app.slides.formats.colours.translucent import refuse_translucent
from app.slides.formats.dicom.dicom_kind import refuse_unopened_dicom, refuse_unsupported_dicom, unreadable_dicom
from app.slides.formats.finding import FoundSlide
from app.slides.formats.tiff.tiff_directory import check_tiff_complete, is_tiff
from app.slides.formats.tiff.tiff_kind import has_alpha, refuse_unsupported_tiff, unreadable_tiff

_BY_ITS_WORDS = (
    (re.compile(r"(?P<czi_compression>.{1,20}) compression is not supported"), sentences.CZI_COMPRESSION),
    (re.compile(r"Pixel type (?P<czi_pixels>\w{1,20}) is not supported"), sentences.CZI_PIXELS),
    (re.compile(r"Slides with dissimilar main images are not supported"), sentences.SCN_SCENES),
)
"""OpenSlide's messages for formats that are not checked here, and our messages for them."""


def refuse_unopened(found: FoundSlide) -> None:
    """Raises SlideUnsupportedError for files that must not be opened."""
    if found.dicom is not None:
        refuse_unopened_dicom(found.dicom.images)


def why_unreadable(found: FoundSlide, said: str = "") -> SlideUnsupportedError | None:
    """The error for a slide that OpenSlide cannot open because of its kind. ``said``: OpenSlide's own message.

    Raises SlideCorruptError if the file is damaged; OSError.
    """
    for pattern, sentence in _BY_ITS_WORDS:
        if (match := pattern.match(said)) is not None:
            return SlideUnsupportedError(sentence(**match.groupdict()))
    if is_tiff(found.entry):
        return unreadable_tiff(found.entry, openslide.OpenSlide.detect_format(found.entry))
    return None if found.dicom is None else unreadable_dicom(found.dicom.images)


def refuse_unsupported(slide: openslide.OpenSlide, found: FoundSlide) -> None:
    """Raises SlideUnsupportedError if ``found``, open as ``slide``, is shown wrongly; SlideCorruptError, OSError."""
    vendor = slide.properties.get(openslide.PROPERTY_NAME_VENDOR)
    if found.dicom is not None:
        refuse_unsupported_dicom(found.dicom.images)
    elif format_of(vendor).has_standard_offsets:
        check_tiff_complete(found.entry)
        refuse_unsupported_tiff(found.entry)
        if is_tiff(found.entry) and has_alpha(found.entry):
            refuse_translucent(slide)

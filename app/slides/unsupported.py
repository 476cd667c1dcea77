"""Slides of a kind that OpenSlide cannot open, or would show wrongly: told apart from damaged ones."""

from pathlib import Path

import openslide

from app.errors import SlideUnsupportedError
from app.slides.dicom_headers import read_headers
from app.slides.dicom_kind import refuse_unsupported_dicom, unreadable_dicom
from app.slides.files import slide_files
from app.slides.tiff_check import check_tiff_complete
from app.slides.tiff_directory import is_tiff
from app.slides.tiff_kind import refuse_unsupported_tiff, unreadable_tiff

_ODD_TIFFS = frozenset({"hamamatsu"})
"""NDPI stretches classic TIFF beyond 4 GiB in its own way, so that its offsets cannot be checked by the standard."""


def why_unreadable(entry: Path) -> SlideUnsupportedError | None:
    """Why OpenSlide cannot open the slide at ``entry``, where its kind is the reason.

    Raises SlideCorruptError where the file is damaged; OSError.
    """
    if is_tiff(entry):
        return unreadable_tiff(entry, openslide.OpenSlide.detect_format(entry))
    return unreadable_dicom(read_headers(slide_files(entry)))


def refuse_unsupported(slide: openslide.OpenSlide, entry: Path) -> None:
    """Raises SlideUnsupportedError where ``slide``, open at ``entry``, is shown wrongly; SlideCorruptError, OSError."""
    vendor = slide.properties.get(openslide.PROPERTY_NAME_VENDOR)
    if vendor == "dicom":
        refuse_unsupported_dicom(read_headers(slide_files(entry)))
    elif vendor not in _ODD_TIFFS:
        check_tiff_complete(entry)
        refuse_unsupported_tiff(entry)

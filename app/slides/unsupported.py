"""Slides of a kind that OpenSlide cannot open, or would show wrongly: told apart from damaged ones."""

import openslide

from app.errors import SlideUnsupportedError
from app.slides.dicom_kind import refuse_unsupported_dicom, unreadable_dicom
from app.slides.finding import FoundSlide
from app.slides.tiff_check import check_tiff_complete
from app.slides.tiff_directory import is_tiff
from app.slides.tiff_kind import refuse_unsupported_tiff, unreadable_tiff

_ODD_TIFFS = frozenset({"hamamatsu"})
"""NDPI stretches classic TIFF beyond 4 GiB in its own way, so that its offsets cannot be checked by the standard."""


def why_unreadable(found: FoundSlide) -> SlideUnsupportedError | None:
    """Why OpenSlide cannot open the slide, where its kind is the reason.

    Raises SlideCorruptError where the file is damaged; OSError.
    """
    if is_tiff(found.entry):
        return unreadable_tiff(found.entry, openslide.OpenSlide.detect_format(found.entry))
    return None if found.dicom is None else unreadable_dicom(found.dicom.images)


def refuse_unsupported(slide: openslide.OpenSlide, found: FoundSlide) -> None:
    """Raises SlideUnsupportedError where ``found``, open as ``slide``, is shown wrongly; SlideCorruptError, OSError."""
    vendor = slide.properties.get(openslide.PROPERTY_NAME_VENDOR)
    if found.dicom is not None:
        refuse_unsupported_dicom(found.dicom.images)
    elif vendor not in _ODD_TIFFS:
        check_tiff_complete(found.entry)
        refuse_unsupported_tiff(found.entry)

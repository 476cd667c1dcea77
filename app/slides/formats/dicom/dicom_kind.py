"""Kinds of DICOM slide that OpenSlide cannot open or shows only in part.

Sources: DICOM PS3.3, C.8.12.4 (Whole Slide Microscopy), PS3.5, 8.2, and the source of OpenSlide 4.0.1.
"""

import math
from collections import Counter
from collections.abc import Sequence

from pydicom.uid import JPEG2000, UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.dicom.dicom_headers import DicomHeader

_PHOTOMETRIC: dict[str, frozenset[str]] = {
    ExplicitVRLittleEndian: frozenset({"RGB"}),
    JPEGBaseline8Bit: frozenset({"RGB", "YBR_FULL_422"}),
    JPEG2000Lossless: frozenset({"RGB", "YBR_RCT"}),
    JPEG2000: frozenset({"RGB", "YBR_RCT", "YBR_ICT"}),
}
"""Supported kinds, by transfer syntax."""


def unreadable_dicom(headers: Sequence[DicomHeader]) -> SlideUnsupportedError | None:
    """The error for a series that OpenSlide cannot open because of its kind; ``headers``: of the series."""
    images = [header for header in headers if header.is_slide_image]
    # Deflated headers are not read, so it is unknown which of them is a level.
    for header in images:
        if header.transfer_syntax_uid not in _PHOTOMETRIC:
            return SlideUnsupportedError(sentences.DICOM_SYNTAX(syntax=UID(header.transfer_syntax_uid).name))
    levels = [header for header in images if header.is_volume]
    if images and not levels:
        return SlideUnsupportedError(sentences.DICOM_NO_VOLUME)
    for header in levels:
        if (fault := _fault(header)) is not None:
            return SlideUnsupportedError(fault)
    sizes = Counter((header.width, header.height) for header in levels)
    if levels and max(sizes.values()) > 1:
        return SlideUnsupportedError(sentences.DICOM_ONE_SIZE)
    if any(not header.has_preamble for header in images):
        return SlideUnsupportedError(sentences.DICOM_NO_PREAMBLE)
    return None


def refuse_unopened_dicom(headers: Sequence[DicomHeader]) -> None:
    """Raises SlideUnsupportedError unless frames are organised as tiles: OpenSlide 4.0.1 crashes on others."""
    for header in headers:
        if header.organization not in {None, "TILED_FULL", "TILED_SPARSE"}:
            raise SlideUnsupportedError(sentences.DICOM_ORGANIZATION(organization=header.organization))


def refuse_unsupported_dicom(headers: Sequence[DicomHeader]) -> None:
    """Raises SlideUnsupportedError if OpenSlide opens the series but would show one of several images in it."""
    if (paths := max((header.optical_paths for header in headers if header.is_volume), default=1)) > 1:
        raise SlideUnsupportedError(sentences.DICOM_OPTICAL_PATHS(count=paths))
    for header in headers:
        if header.is_volume and _frames_per_tile(header) > 1:
            raise SlideUnsupportedError(sentences.DICOM_FRAMES)


def _frames_per_tile(header: DicomHeader) -> float:
    """More than 1 with several optical paths or focal planes, which a sparse image need not declare."""
    sides = (header.width, header.tile_width), (header.height, header.tile_height)
    tiles = math.prod(-(-whole // tile) for whole, tile in sides if whole and tile)
    return (header.frames or 0) / tiles


def _fault(header: DicomHeader) -> str | None:
    if header.focal_planes > 1:
        return sentences.DICOM_FOCAL_PLANES(count=header.focal_planes)
    if header.samples_per_pixel == 1:
        return sentences.DICOM_MONOCHROME(photometric=header.photometric or "one sample per pixel")
    if (header.bits_allocated or 8) != 8 or (header.bits_stored or 8) != 8:
        return sentences.DICOM_BITS(bits=header.bits_allocated)
    if header.photometric not in _PHOTOMETRIC[header.transfer_syntax_uid]:
        syntax = UID(header.transfer_syntax_uid).name
        return sentences.DICOM_PHOTOMETRIC(photometric=header.photometric, syntax=syntax)
    return None

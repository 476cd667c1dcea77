"""Downsample factors of a DICOM slide's levels, by the Pixel Spacing in their headers (PS3.3 C.7.6.16.2.1)."""

from collections.abc import Iterable

from app.slides.formats.dicom.dicom_headers import DicomHeader
from app.slides.formats.levels.level_shape import Size

Spacing = tuple[float, float]
_APART = 0.01
"""Largest difference between the two axes."""
_NEARLY_WHOLE = 0.002
"""Headers round the spacing, so a factor this close to an integer is taken as the integer."""


def level_spacings(levels: Iterable[DicomHeader]) -> dict[Size, Spacing]:
    """(along a row, down a column) in mm of each of a slide's ``levels``, by its size in px.

    Sizes with two different spacings are left out.
    """
    found: dict[Size, set[Spacing]] = {}
    for header in levels:
        if header.width and header.height and header.pixel_spacing_mm is not None:
            down, along = header.pixel_spacing_mm
            found.setdefault((header.width, header.height), set()).add((along, down))
    return {size: next(iter(spacings)) for size, spacings in found.items() if len(spacings) == 1}


def spaced_downsample(spacing0: Spacing | None, spacing: Spacing | None) -> float | None:
    """Level-0 px per px of another level; None if it is not stated or differs between the axes."""
    if spacing0 is None or spacing is None:
        return None
    along, down = (part / full for full, part in zip(spacing0, spacing, strict=True))
    if abs(along - down) > _APART * min(along, down):
        return None
    downsample = (along + down) / 2
    whole = round(downsample)
    return float(whole) if abs(downsample - whole) <= _NEARLY_WHOLE * downsample else downsample

"""The barcode of a slide's label, if the vendor's format has a field for it."""

from collections.abc import Mapping

import openslide

from app.slides.identity import is_identifier

_FIELDS = (openslide.PROPERTY_NAME_BARCODE, "aperio.Barcode")
"""OpenSlide fills its own property for Philips, Leica SCN and Zeiss. Aperio scanners with a barcode reader write theirs
into the image description."""


def header_barcode(properties: Mapping[str, str]) -> str | None:
    """The barcode, trimmed; None if it is missing or invalid."""
    for name in _FIELDS:
        text = properties.get(name, "").strip()
        if is_identifier(text):
            return text
    return None

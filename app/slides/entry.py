"""Which files may be a slide's, told by their names and first bytes alone: no decoder is involved."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from app.errors import NotASlideError

INDEX_SUFFIXES = frozenset({".mrxs", ".vms", ".vmu"})
"""Formats of many files: this one leads to the others."""
SINGLE_SUFFIXES = frozenset({".svs", ".tif", ".tiff", ".ndpi", ".scn", ".bif", ".svslide", ".czi"})
_DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ""})
_NUMBER = re.compile(r"\.[0-9]+")
"""What looks like an ending where a file is named by its UID, as archives name them."""
_DICOM_PREAMBLE_BYTES = 128
_NAMED_MAX = 5
"""Slides that a message names."""


def may_be_a_slide(path: PurePath) -> bool:
    """Whether a file of this name can be a slide, or one of its files that leads to the others."""
    return path.suffix.lower() in INDEX_SUFFIXES | SINGLE_SUFFIXES or has_dicom_name(path)


def is_clutter(parts: Iterable[str]) -> bool:
    """Whether a relative path (its ``parts``) is what file managers leave behind."""
    return any(part.startswith(".") or part in {"__MACOSX", "Thumbs.db", "desktop.ini"} for part in parts)


def has_dicom_name(path: PurePath) -> bool:
    """Whether the file may be DICOM by its name: its ending, none, or the last number of a UID."""
    suffix = path.suffix.lower()
    return suffix in _DICOM_SUFFIXES or _NUMBER.fullmatch(suffix) is not None


def is_dicom(path: Path) -> bool:
    """Whether the file has DICOM's preamble."""
    with path.open("rb") as file:
        return file.read(_DICOM_PREAMBLE_BYTES + 4)[_DICOM_PREAMBLE_BYTES:] == b"DICM"


def several_slides(count: int, names: Sequence[str | None] = ()) -> NotASlideError:
    """The error for several slides where one was expected. ``names``: what tells them apart, where there is any."""
    known = [f'"{name}"' for name in names if name]
    told = f" Series: {', '.join(known[:_NAMED_MAX])}{', …' if len(known) > _NAMED_MAX else ''}." if known else ""
    return NotASlideError(f"There are {count} slides here: send one slide at a time.{told}")

"""Finds files that may belong to a slide, by names and first bytes only, without a decoder."""

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
DICOM_HEAD_BYTES = 132
_DICOM_PREFIX = b"DICM"
_DICOM_META_START = b"\x02\0\0\0UL"
"""File meta information (PS3.10, 7.1): group 2, in explicit little endian."""
_NAMED_MAX = 5
"""Slides that a message names."""


def is_clutter(parts: Iterable[str]) -> bool:
    """Whether a relative path (its ``parts``) is what file managers leave behind."""
    return any(part.startswith(".") or part in {"__MACOSX", "Thumbs.db", "desktop.ini"} for part in parts)


def has_dicom_name(path: PurePath) -> bool:
    """Whether the file may be DICOM by its name: its ending, none, or the last number of a UID."""
    suffix = path.suffix.lower()
    return suffix in _DICOM_SUFFIXES or _NUMBER.fullmatch(suffix) is not None


def is_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM files do."""
    with path.open("rb") as file:
        return begins_as_dicom(file.read(DICOM_HEAD_BYTES))


def begins_as_dicom(head: bytes) -> bool:
    """Whether a file with this ``head``, its first 132 bytes, is DICOM; some writers leave out the preamble."""
    return has_preamble(head) or head.startswith(_DICOM_META_START)


def has_preamble(head: bytes) -> bool:
    """Whether ``head`` has the preamble and prefix of PS3.10."""
    return head[DICOM_HEAD_BYTES - len(_DICOM_PREFIX) : DICOM_HEAD_BYTES] == _DICOM_PREFIX


def several_slides(count: int, names: Sequence[str | None] = ()) -> NotASlideError:
    """The error for several slides instead of one. ``names``: distinguishing names, if there are any."""
    known = [f'"{name}"' for name in names if name]
    told = f" Series: {', '.join(known[:_NAMED_MAX])}{', …' if len(known) > _NAMED_MAX else ''}." if known else ""
    return NotASlideError(f"There are {count} slides here. Send one slide at a time.{told}")

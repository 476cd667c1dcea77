"""Which file of a folder a slide is opened by, told by names and first bytes alone: no decoder is involved."""

import re
from collections.abc import Iterable
from pathlib import Path

from app.errors import NotASlideError
from app.slides.folder_walk import files_below

INDEX_SUFFIXES = frozenset({".mrxs", ".vms", ".vmu"})
"""Formats of many files: this one leads to the others."""
SINGLE_SUFFIXES = frozenset({".svs", ".tif", ".tiff", ".ndpi", ".scn", ".bif", ".svslide", ".czi"})
_DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ""})
_NUMBER = re.compile(r"\.[0-9]+")
"""What looks like an ending where a file is named by its UID, as archives name them."""
_DICOM_PREAMBLE_BYTES = 128
_DICOM_HEAD_BYTES = 65536
_SERIES_UID = re.compile(rb"\x20\x00\x0e\x00UI(..)([0-9.]{1,64})", re.DOTALL)
"""Series Instance UID (0020,000E) in explicit little endian, which DICOM WSI are written in (PS3.5)."""


def find_entry(folder: Path) -> Path:
    """The file to open for the one slide in ``folder``, subfolders included.

    Of a DICOM series it is the largest file, which is level 0 and no label. Raises NotASlideError when there is
    no slide or more than one, and the errors of ``files_below``.
    """
    files = [path for path in files_below(folder) if not path.is_symlink()]
    files = [path for path in files if not is_clutter(path.relative_to(folder).parts)]
    for suffixes in (INDEX_SUFFIXES, SINGLE_SUFFIXES):
        found = [path for path in files if path.suffix.lower() in suffixes]
        if len(found) > 1:
            raise _several(len(found))
        if found:
            return found[0]
    series = {path: series_uid(path) for path in files if has_dicom_name(path) and is_dicom(path)}
    if len(set(series.values())) > 1:
        raise _several(len(set(series.values())))
    if not series:
        raise NotASlideError("There is no slide here: send an SVS, a pyramidal TIFF, or the files of one DICOM series.")
    return max(series, key=lambda path: path.stat().st_size)


def is_clutter(parts: Iterable[str]) -> bool:
    """Whether a relative path (its ``parts``) is what file managers leave behind."""
    return any(part.startswith(".") or part in {"__MACOSX", "Thumbs.db", "desktop.ini"} for part in parts)


def has_dicom_name(path: Path) -> bool:
    """Whether the file may be DICOM by its name: its ending, none, or the last number of a UID."""
    suffix = path.suffix.lower()
    return suffix in _DICOM_SUFFIXES or _NUMBER.fullmatch(suffix) is not None


def is_dicom(path: Path) -> bool:
    """Whether the file has DICOM's preamble."""
    with path.open("rb") as file:
        return file.read(_DICOM_PREAMBLE_BYTES + 4)[_DICOM_PREAMBLE_BYTES:] == b"DICM"


def series_uid(path: Path) -> bytes:
    """The Series Instance UID of a DICOM file; empty where its first 64 KiB do not tell it."""
    with path.open("rb") as file:
        found = _SERIES_UID.search(file.read(_DICOM_HEAD_BYTES))
    return found.group(2) if found else b""


def _several(count: int) -> NotASlideError:
    return NotASlideError(f"There are {count} slides here: send one slide at a time.")

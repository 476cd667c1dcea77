"""Which files make a slide. Told by names and first bytes alone: no decoder is involved."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePath

from app.errors import NotASlideError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.catalogue import DICOM_SUFFIXES
from app.slides.formats.folder_walk import files_below, is_regular
from app.slides.formats.index_file import index_folder, named_files

_NUMBER = re.compile(r"\.[0-9]+")
"""What looks like an ending where a file is named by its UID, as archives name them."""
DICOM_HEAD_BYTES = 132
_DICOM_PREFIX = b"DICM"
_DICOM_META_START = b"\x02\0\0\0UL"
"""File meta information (PS3.10, 7.1): group 2, in explicit little endian."""


def slide_files(path: Path) -> tuple[Path, ...]:
    """All files of the slide at ``path``, sorted.

    A folder: all regular files below. An MRXS: itself and all in the folder of its name. A VMS or VMU (told by its
    content): itself and the files beside it that it names. A DICOM file: all DICOM files of its folder; which of them
    are its series, only a reader process can tell (``SlideReader.files``). Any other file: itself.
    Raises FileNotFoundError (nothing there) and other OSErrors, NotASlideError for a pipe, device or socket,
    SlideUnsafeError for an index that names other files, SlideTooManyFilesError.
    """
    if not is_regular(path):
        return tuple(files_below(path))
    named, folder = named_files(path), index_folder(path)
    if folder is not None:
        return tuple(sorted({path, *named, *(files_below(folder) if folder.is_dir() else ())}))
    if named:
        return tuple(sorted({path, *named}))
    if has_dicom_name(path) and is_dicom(path):
        beside = (other for other in files_below(path.parent, deep=False) if has_dicom_name(other))
        return tuple(sorted({path, *(other for other in beside if is_dicom(other))}))
    return (path,)


def folder_of(path: Path) -> Path:
    """The folder that all files of the slide at ``path`` lie in or below."""
    return path if path.is_dir() else path.parent


def is_clutter(parts: Iterable[str]) -> bool:
    """Whether a relative path (its ``parts``) is what file managers leave behind."""
    return any(part.startswith(".") or part in {"__MACOSX", "Thumbs.db", "desktop.ini"} for part in parts)


def has_dicom_name(path: PurePath) -> bool:
    """Whether the file may be DICOM by its name: its ending, none, or the last number of a UID."""
    suffix = path.suffix.lower()
    return suffix in {"", *DICOM_SUFFIXES} or _NUMBER.fullmatch(suffix) is not None


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


def several_slides(count: int) -> NotASlideError:
    """The error for several slides instead of one."""
    return NotASlideError(sentences.SEVERAL_SLIDES(count=count))

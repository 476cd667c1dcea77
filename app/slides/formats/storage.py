"""Telling a slide that is damaged from storage that does not give its bytes."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from app.errors import DecoderCrashedError, SlideCorruptError, SlideMissingError, StorageUnavailableError, XmagError
from app.slides.formats import reader_sentences as sentences

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_BY_CONTENT = frozenset({None, errno.EINVAL, errno.EOVERFLOW})
"""What positions of a damaged file lead to, and the errors of decoders, which have no number."""
_TELLING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN, errno.EACCES, errno.EPERM)
_PROBE_BYTES = 4096


def is_absence(error: OSError) -> bool:
    """Whether it says that there is no such file."""
    return error.errno in _ABSENT


def storage_error(error: OSError) -> XmagError:
    """The typed error for a slide's file that cannot be opened or read."""
    if is_absence(error):
        return SlideMissingError(sentences.FILES_MISSING)
    if error.errno == errno.ENOMEM:
        return memory_error()
    if error.errno in _BY_CONTENT:
        return SlideCorruptError(sentences.UNREADABLE)
    if error.errno in _FORBIDDEN:
        return StorageUnavailableError(sentences.NOT_PERMITTED)
    return StorageUnavailableError(sentences.STORAGE_FAILS(system_error=os.strerror(error.errno or 0)))


def memory_error() -> DecoderCrashedError:
    """The error for a slide that does not fit into a reader process."""
    return DecoderCrashedError(sentences.TOO_LITTLE_MEMORY)


def blame_storage(said: str, files: Iterable[Path]) -> None:
    """Raises OSError when a decoder failed because of the storage below: it ``said`` so, or ``files`` cannot be read.

    Decoders report such failures as text, or as missing data, like those of a damaged file.
    """
    for number in _TELLING:
        if os.strerror(number) in said:
            raise OSError(number, os.strerror(number))
    for path in files:
        with path.open("rb") as file:
            file.read(_PROBE_BYTES)
            file.seek(max(0, path.stat().st_size - _PROBE_BYTES))
            file.read(_PROBE_BYTES)

"""What identifies a slide's bytes."""

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from app.errors import CancelledError
from app.slides.formats.files import slide_files
from app.slides.formats.folder_walk import special_file
from app.slides.formats.storage import is_absence, storage_error

_BLOCK_BYTES = 2**20


def hash_slide(path: Path, should_stop: Callable[[], bool] | None = None) -> tuple[str, int]:
    """``hash_files`` of the ``slide_files`` at ``path``. Also their SlideErrors."""
    try:
        files = slide_files(path)
    except OSError as error:
        raise _typed(error) from error
    return hash_files(files, should_stop)


def hash_files(files: Sequence[Path], should_stop: Callable[[], bool] | None = None) -> tuple[str, int]:
    """(sha256, size in bytes) of a slide that consists of ``files``.

    Of one file: the file's sha256. Of several: the sha256 of the sorted lines ``<sha256>  <name>\\n``, and the sum of
    their sizes. Names are relative to the deepest folder that holds all files. ``find . -type f -printf '%P\\0' | xargs
    -0 sha256sum | LC_ALL=C sort`` prints the same lines there. ``should_stop`` is asked before every MiB.
    Raises CancelledError if it is true, FileNotFoundError and NotADirectoryError for a missing path, and
    StorageUnavailableError for other I/O errors.
    """
    try:
        if len(files) == 1:
            return _hash_file(files[0], should_stop)
        folder = os.path.commonpath([file.parent for file in files])
        lines, total = [], 0
        for file in files:
            digest, size = _hash_file(file, should_stop)
            lines.append(f"{digest}  {file.relative_to(folder).as_posix()}\n".encode("utf-8", "surrogateescape"))
            total += size
    except OSError as error:
        raise _typed(error) from error
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest(), total


def _typed(error: OSError) -> Exception:
    return error if is_absence(error) else storage_error(error)


def _hash_file(path: Path, should_stop: Callable[[], bool] | None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with _open(path) as file:
        while True:
            if should_stop is not None and should_stop():
                raise CancelledError("The work was stopped while the slide was hashed.")
            block = file.read(_BLOCK_BYTES)
            if not block:
                return digest.hexdigest(), size
            digest.update(block)
            size += len(block)


def _open(path: Path) -> BinaryIO:
    """Without waiting for a writer, should a pipe have taken the file's place since it was looked at."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(fd, "rb")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        file.close()
        raise special_file()
    return file

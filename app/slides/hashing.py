"""What identifies a slide's bytes."""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from app.errors import CancelledError
from app.slides.files import common_folder, slide_files
from app.slides.folder_walk import special_file
from app.slides.storage import is_absence, storage_error

_BLOCK_BYTES = 2**20


def hash_slide(path: Path, should_stop: Callable[[], bool] | None = None) -> tuple[str, int]:
    """(sha256, size in bytes) of the slide at ``path``, every file of ``slide_files`` included.

    Of a slide that is one file: the file's sha256. Of several, and of a folder: the sha256 of the sorted lines
    ``<sha256>  <name relative to the common folder>\\n``, as ``find . -type f -printf '%P\\0' | xargs -0 sha256sum |
    LC_ALL=C sort`` prints them, and the sum of their sizes. ``should_stop`` is asked before every MiB.
    Raises CancelledError when it says so, FileNotFoundError and NotADirectoryError where nothing is,
    StorageUnavailableError for other I/O errors, and the SlideErrors of ``slide_files``.
    """
    try:
        files, folder = slide_files(path), common_folder(path)
        if files == (path,):
            return _hash_file(path, should_stop)
        lines, total = [], 0
        for file in files:
            digest, size = _hash_file(file, should_stop)
            lines.append(f"{digest}  {file.relative_to(folder).as_posix()}\n".encode("utf-8", "surrogateescape"))
            total += size
    except OSError as error:
        if is_absence(error):
            raise
        raise storage_error(error) from error
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest(), total


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

"""Opens files without following links, so that a name below a folder cannot lead outside it."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from app.errors import SourceChangedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.folder_walk import special_file

_LOOK: int = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_CLOEXEC | os.O_NOFOLLOW
"""Flags for opening without reading, so that pipes and devices cannot block. O_PATH exists on Linux only."""


def real_files(paths: Iterable[Path]) -> Iterator[int]:
    """A descriptor of each regular file (absolute paths), for fstat and Landlock rules, not for reading.

    Each is closed when the next is requested. Raises SourceChangedError if a path contains a link: paths are
    resolved when a slide is asked for. Also NotASlideError for a pipe, device or socket, and OSError.
    """
    for parent, beside in groupby(paths, lambda path: path.parent):
        with real_folder(parent) as folder:
            for path in beside:
                with _step(path.name, folder) as fd:
                    mode = os.fstat(fd).st_mode
                    if stat.S_ISLNK(mode):
                        raise _link()
                    if not stat.S_ISREG(mode):
                        raise special_file()
                    yield fd


@contextmanager
def real_folder(path: Path) -> Iterator[int]:
    """A descriptor of the folder at ``path`` (absolute), as ``real_files``."""
    if path == path.parent:
        with _step(str(path), None, os.O_DIRECTORY) as fd:
            yield fd
    else:
        with real_folder(path.parent) as outer, _step(path.name, outer, os.O_DIRECTORY) as fd:
            yield fd


def check_real(path: Path) -> None:
    """Raises SourceChangedError if the path of this file or folder contains a link, and OSError."""
    with real_folder(path.parent) as folder, _step(path.name, folder) as fd:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            raise _link()


@contextmanager
def _step(name: str, folder: int | None, flags: int = 0) -> Iterator[int]:
    try:
        fd = os.open(name, _LOOK | flags, dir_fd=folder)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _link() from None
        raise
    try:
        yield fd
    finally:
        os.close(fd)


def _link() -> SourceChangedError:
    return SourceChangedError(sentences.LINK_IN_PATH)

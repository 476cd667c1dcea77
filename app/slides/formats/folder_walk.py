"""All files below a folder, found without opening one, in bounded time, and never outside of the folder."""

import os
import stat
from pathlib import Path

from app.errors import NotASlideError, SlideTooManyFilesError
from app.slides.formats import reader_sentences as sentences

ENTRIES_MAX = 10_000
"""Files, folders and links together. The largest slides of many files have a few hundred."""


def files_below(folder: Path, *, deep: bool = True) -> list[Path]:
    """The regular files in ``folder`` and (``deep``) its subfolders, sorted.

    A link counts as the file it leads to if that lies in ``folder`` too. Links to folders and links that lead out are
    ignored. Raises SlideTooManyFilesError beyond 10,000 entries, and OSError. Raises NotASlideError for a pipe, device
    or socket, because a decoder that opens all files of a folder would wait for it.
    """
    root = folder.resolve(strict=True)
    files: list[Path] = []
    waiting, seen = [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                seen += 1
                if seen > ENTRIES_MAX:
                    raise SlideTooManyFilesError(sentences.TOO_MANY_ENTRIES(entries=ENTRIES_MAX))
                path = Path(entry.path)
                if entry.is_symlink() and not path.resolve().is_relative_to(root):
                    continue
                if entry.is_file():
                    files.append(path)
                elif entry.is_dir():
                    waiting += [path] if deep and not entry.is_symlink() else []
                elif not entry.is_symlink():
                    raise special_file()
    return sorted(files)


def is_regular(path: Path) -> bool:
    """Whether ``path`` leads to a regular file; NotASlideError for a pipe, device or socket. Raises OSError."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise special_file()
    return stat.S_ISREG(mode)


def special_file() -> NotASlideError:
    """The error for what is no file of bytes."""
    return NotASlideError(sentences.SPECIAL_FILE)

"""File names inside index files (MIRAX, Hamamatsu VMS and VMU): plain names of regular files in the slide's own folder.

OpenSlide joins such a name to the folder and opens whatever it leads to: ``../../keys.json``, a pipe, a device. Index
files are GLib key files. This module finds every line that GLib may read as one of the keys, and refuses a line that
the two could read differently. Sources: OpenSlide 4.0.1 (openslide-vendor-mirax.c, -hamamatsu.c, -util.c) and GLib
(gkeyfile.c).
"""

import errno
import os
import stat
from pathlib import Path

from app.errors import SlideUnsafeError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.folder_walk import special_file

MIRAX = ".mrxs"
_MIRAX_INDEX = "Slidedat.ini"
_MIRAX_BYTES, _HAMAMATSU_BYTES = 2**20, 64 * 2**10
"""Largest index that OpenSlide reads."""
_HAMAMATSU_GROUP = b"Virtual Microscope Specimen"
"""Marks a VMS or VMU index by content, whatever its name; the group of a VMU ends in the same words."""
_MIRAX_KEYS = (b"file_", b"indexfile")
_HAMAMATSU_KEYS = (b"imagefile", b"mapfile", b"macroimage", b"optimisationfile")
"""Prefixes of the keys for file names, in lower case."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NAME_BYTES = 255


def index_folder(entry: Path) -> Path | None:
    """The folder beside a MIRAX file that its index and data lie in; None for any other file."""
    text = str(entry)
    return Path(text[: -len(MIRAX)]) if text.lower().endswith(MIRAX) else None


def named_files(entry: Path) -> list[Path]:
    """The existing files that the index of the slide ``entry`` names; none for a single-file slide.

    Raises SlideUnsafeError unless each name is that of a regular file in the slide's own folder. Raises NotASlideError
    for a pipe, device or socket in place of an index, and OSError.
    """
    index, folder = _text(entry, _HAMAMATSU_BYTES), index_folder(entry)
    found = _checked(index, _HAMAMATSU_KEYS, entry.parent) if _HAMAMATSU_GROUP in index else []
    if folder is None or not os.path.lexists(folder):
        return found
    if not stat.S_ISDIR(folder.lstat().st_mode) or folder == entry.parent:
        raise _unsafe()
    if not os.path.lexists(folder / _MIRAX_INDEX):
        return found
    return found + _checked(_text(folder / _MIRAX_INDEX, _MIRAX_BYTES, os.O_NOFOLLOW), _MIRAX_KEYS, folder)


def _text(path: Path, bytes_max: int, flags: int = 0) -> bytes:
    """The bytes of a possible index file; empty if it is too large. Never waits for a pipe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _unsafe() from error
        raise
    with os.fdopen(fd, "rb") as file:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            raise special_file()
        return b"" if state.st_size > bytes_max else file.read(bytes_max)


def _checked(index: bytes, keys: tuple[bytes, ...], folder: Path) -> list[Path]:
    found = []
    for name in _names(index, keys):
        path = folder / os.fsdecode(name)
        if not _is_plain(name):
            raise _unsafe()
        if os.path.lexists(path):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise _unsafe()
            found.append(path)
    return sorted(found)


def _names(index: bytes, keys: tuple[bytes, ...]) -> set[bytes]:
    """The values of ``keys`` in any group, repeated keys included (GLib takes the last)."""
    names = set()
    for ended in index.removeprefix(_BYTE_ORDER_MARK).split(b"\n"):
        line = ended.removesuffix(b"\r")
        if b"\r" in line or b"\0" in line:
            raise _unsafe()  # one line to GLib, two or half of one to others
        key, _, value = line.partition(b"=")
        if key.lstrip(b" \t\v\f").lower().startswith(keys):
            names.add(value.lstrip(b" \t\f"))
    return names - {b""}


def _is_plain(name: bytes) -> bool:
    return (
        name not in {b".", b".."}
        and len(name) <= _NAME_BYTES
        and not any(byte in b"/\\:\x7f" or byte < ord(" ") for byte in name)
    )


def _unsafe() -> SlideUnsafeError:
    return SlideUnsafeError(sentences.UNSAFE_INDEX)

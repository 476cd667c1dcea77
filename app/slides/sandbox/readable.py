"""The files a decoding process may read: its own slide, and files that Python and C libraries load on demand."""

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from app.slides.formats.files import is_dicom
from app.slides.sandbox.landlock import READ_FILE, READ_FOLDER
from app.slides.sandbox.real_file import real_files, real_folder

_APP = Path(__file__).resolve().parents[2]
_PACKAGES = frozenset({"site-packages", "dist-packages"})
_LIBRARIES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
    "/dev/null",
    "/dev/urandom",
    "/sys/devices/system/cpu",
)


@cache
def libraries() -> tuple[tuple[Path, int], ...]:
    """Files and folders of Python and the C libraries, each with its Landlock rights.

    Of the folder around ``app``, only ``app``: a clone of the project may also contain the data folder.
    """
    places = [Path(entry) for entry in sys.path if entry.startswith("/")]
    modules = [_APP if place == _APP.parent and place.name not in _PACKAGES else place for place in places]
    there = [path for path in dict.fromkeys([*modules, *map(Path, _LIBRARIES)]) if os.access(path, os.R_OK)]
    return tuple((path, READ_FILE | READ_FOLDER if path.is_dir() else READ_FILE) for path in there)


def reading_rules(entry: Path, files: Sequence[Path]) -> Iterator[tuple[int, int]]:
    """Landlock rules for the slide of these ``files``, opened by ``entry``, and for libraries.

    Each has a descriptor that is closed when the next rule is requested. Names beside a DICOM file may be listed, which
    OpenSlide does. Raises as ``real_files``.
    """
    yield from ((fd, READ_FILE) for fd in real_files([entry, *targets(entry, files)]))
    if is_dicom(entry):
        with real_folder(entry.parent) as folder:
            yield folder, READ_FOLDER
    for path, access in libraries():
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            continue  # removed since, or only root's capabilities led there
        try:
            yield fd, access
        finally:
            os.close(fd)


def targets(entry: Path, files: Sequence[Path]) -> Iterator[Path]:
    """The other files; for a link its target, unless the link was changed since the listing."""
    for file in files:
        target = file.resolve() if file.is_symlink() else file
        if file != entry and target.is_relative_to(entry.parent):
            yield target

"""Unpacks a zipped slide of many files. Nothing the zip says is believed: names, sizes and ratios are checked first,
and the bytes that really come out are counted."""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.durable import DISK_FULL
from app.errors import ArchiveInvalidError, ArchiveUnsafeError, CancelledError, DiskLowError, NotASlideError
from app.slides.entry import find_entry, is_clutter
from app.slides.sync_tree import sync_tree
from app.slides.zip_directory import directory_extent

_BLOCK_BYTES = 2**20
_DEPTH_MAX, _NAME_BYTES_MAX = 16, 1024
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_RATIO_FREE_BYTES = 2**20
"""Files up to this size may compress as well as they like: text does."""


@dataclass(frozen=True)
class ArchiveLimits:
    """The most that a zip may hold and unpack to; ratios are unpacked / packed bytes.

    ``free_bytes``: what stays free on the disk, whoever else writes there meanwhile.
    """

    entries: int = 10_000
    total_bytes: int = 64 * 2**30
    file_ratio: float = 200.0
    total_ratio: float = 100.0
    free_bytes: int = 0


def is_zip(path: Path) -> bool:
    """Whether the file begins as a zip does (an empty zip included)."""
    with path.open("rb") as file:
        return file.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}


def extract_slide_zip(
    zip_path: Path,
    folder: Path,
    limits: ArchiveLimits = ArchiveLimits(),
    should_stop: Callable[[], bool] | None = None,
) -> Path:
    """Unpacks into ``folder`` (made here; must be new or empty) and returns the file to open the slide by.

    What it returns is on disk for good: the zip may be deleted. ``should_stop`` is asked before every MiB, and
    CancelledError raised when it says so. Raises ArchiveUnsafeError (links, absolute or
    climbing names, duplicates, encryption, too many or too large), ArchiveInvalidError (no readable zip, no slide in
    it) and DiskLowError (no room to unpack it); on any failure ``folder`` is removed.
    """
    try:
        _check_directory_size(zip_path, limits)
        with zipfile.ZipFile(zip_path) as archive:
            entries = _checked(archive.infolist(), limits)
            existing = next(parent for parent in folder.absolute().parents if parent.exists())
            _check_room(folder if folder.exists() else existing, limits, sum(entry.file_size for entry in entries))
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise FileExistsError(f"{folder} is not empty")
            try:
                _extract(archive, entries, folder, limits, should_stop)
                entry = find_entry(folder)
                sync_tree(folder, existing)
            except BaseException:
                shutil.rmtree(folder)
                raise
            return entry
    except NotASlideError as error:
        raise ArchiveInvalidError(f"The zip holds no usable slide. {error.message}") from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise _no_room() from error
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise ArchiveInvalidError(f"The zip cannot be read: pack the slide again. ({error})") from error


def _check_room(place: Path, limits: ArchiveLimits, size_bytes: int) -> None:
    """DiskLowError when ``size_bytes`` more on the file system of ``place`` would leave too little free."""
    if shutil.disk_usage(place).free - size_bytes < limits.free_bytes:
        raise _no_room()


def _no_room() -> DiskLowError:
    return DiskLowError("The server's disk has no room to unpack this slide. Free space there, then send it again.")


def _check_directory_size(zip_path: Path, limits: ArchiveLimits) -> None:
    """Python reads a zip's whole directory into memory, so its size is bounded before."""
    entries, size = directory_extent(zip_path)
    if entries > limits.entries or size > limits.entries * 1024:
        raise ArchiveUnsafeError(f"The zip lists {entries} entries; at most {limits.entries} are accepted.")


def _checked(entries: Sequence[zipfile.ZipInfo], limits: ArchiveLimits) -> list[zipfile.ZipInfo]:
    """The entries to unpack, all of them having passed every check."""
    if len(entries) > limits.entries:
        raise ArchiveUnsafeError(f"The zip lists {len(entries)} entries; at most {limits.entries} are accepted.")
    files = [entry for entry in entries if not entry.is_dir()]
    for entry in entries:
        _check_name(entry)
        _check_kind(entry)
    _check_collisions(files)
    unpacked, packed = sum(entry.file_size for entry in files), sum(entry.compress_size for entry in files)
    if unpacked > limits.total_bytes:
        raise ArchiveUnsafeError(f"The zip unpacks to {unpacked} bytes; at most {limits.total_bytes} are accepted.")
    for entry in files:
        if entry.file_size > max(_RATIO_FREE_BYTES, limits.file_ratio * entry.compress_size):
            raise ArchiveUnsafeError("A file in the zip is compressed beyond what images are.")
    if unpacked > max(_RATIO_FREE_BYTES, limits.total_ratio * packed):
        raise ArchiveUnsafeError("The zip is compressed beyond what images are.")
    return [entry for entry in files if not is_clutter(PurePosixPath(entry.filename).parts)]


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    path = PurePosixPath(name)
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or any(char in name for char in "\\:")
        or not name.isprintable()
        or any(len(part.encode("utf-8", "replace")) > 255 for part in path.parts)
        or len(path.parts) > _DEPTH_MAX
        or len(name.encode("utf-8", "replace")) > _NAME_BYTES_MAX
    ):
        raise ArchiveUnsafeError(
            "A name in the zip is absolute, climbs out of its folder, is too long or too deep, "
            "or has forbidden characters."
        )


def _check_kind(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise ArchiveUnsafeError("The zip is encrypted: send it without a password.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise ArchiveUnsafeError("The zip holds a link or a special file.")
    if entry.compress_type not in _METHODS:
        raise ArchiveUnsafeError("The zip is compressed by a method that is not accepted: use store or deflate.")


def _check_collisions(files: Sequence[zipfile.ZipInfo]) -> None:
    """No two files of one name (case aside), no file where another one needs a folder."""
    names = [PurePosixPath(entry.filename.casefold()) for entry in files]
    taken = set(names)
    if len(taken) < len(names) or any(parent in taken for name in names for parent in name.parents):
        raise ArchiveUnsafeError("Two files in the zip have the same name.")


def _extract(
    archive: zipfile.ZipFile,
    entries: Sequence[zipfile.ZipInfo],
    folder: Path,
    limits: ArchiveLimits,
    should_stop: Callable[[], bool] | None,
) -> None:
    for entry in entries:
        target = folder / entry.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with archive.open(entry) as source, target.open("xb") as out:
            while block := source.read(_BLOCK_BYTES):
                if should_stop is not None and should_stop():
                    raise CancelledError("The work was stopped while the slide was unpacked.")
                written += len(block)
                if written > entry.file_size:
                    raise ArchiveUnsafeError("A file in the zip is larger than the zip says.")
                _check_room(folder, limits, len(block))
                out.write(block)
        if written != entry.file_size:
            raise ArchiveInvalidError("The zip is cut off: send it again.")

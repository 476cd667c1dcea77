"""Unpacks a zipped slide. Nothing that the zip says is trusted: names, sizes and ratios are checked first, and the
bytes that really come out are counted."""

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from app.errors import ArchiveInvalidError, ArchiveUnsafeError, CancelledError, DiskLowError, NotASlideError
from app.slides.formats.archive.zip_names import target_names
from app.slides.formats.catalogue import ACCEPTED, INDEX_SUFFIXES, SINGLE_SUFFIXES
from app.slides.formats.files import (
    DICOM_HEAD_BYTES,
    begins_as_dicom,
    has_dicom_name,
    several_slides,
)
from app.system.durable import DISK_FULL, sync_tree

_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_COMMENT_MAX_BYTES = 65535
_BLOCK_BYTES = 2**20
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_RATIO_FREE_BYTES = 2**20
"""Files up to this size may compress as well as they like: text does."""


@dataclass(frozen=True)
class ArchiveLimits:
    """The most that a zip may hold and unpack to; ratios are unpacked / packed bytes.

    ``entries``: the largest slides of many files have a few hundred. ``free_bytes``: what stays free on the disk,
    whatever else is written there at the same time.
    """

    entries: int = 1_000
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
) -> None:
    """Unpacks what may be a slide into ``folder`` (made here; must be new or empty). No file is opened.

    Unpacked files are durable, so the zip may be deleted. ``should_stop`` is called before every MiB, and
    CancelledError is raised if it is true. On any failure ``folder`` is removed.

    - ArchiveUnsafeError: links, absolute or climbing names, duplicates, encryption, too many or too large
    - ArchiveInvalidError: no readable zip, no file that may be a slide
    - DiskLowError: no room to unpack it
    """
    try:
        _check_directory_size(zip_path, limits)
        with zipfile.ZipFile(zip_path) as archive:
            members = _checked(archive.infolist(), limits)
            existing = next(parent for parent in folder.absolute().parents if parent.exists())
            size_bytes = sum(member.entry.file_size for member in members)
            _check_room(folder if folder.exists() else existing, limits, size_bytes)
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise FileExistsError(f"{folder} is not empty")
            try:
                _extract(archive, members, folder, limits, should_stop)
                sync_tree(folder, existing)
            except BaseException:
                shutil.rmtree(folder)
                raise
    except OSError as error:
        if error.errno in DISK_FULL:
            raise _no_room() from error
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise ArchiveInvalidError("The zip cannot be read. Pack the slide again.") from error


@contextmanager
def blaming_zip(path: Path) -> Iterator[None]:
    """In this block, no slide or several slides at ``path`` are reported as the fault of the unpacked zip."""
    try:
        yield
    except NotASlideError as error:
        if not path.is_dir():
            raise
        raise _no_usable_slide(error) from error


def _no_usable_slide(error: NotASlideError) -> ArchiveInvalidError:
    return ArchiveInvalidError(f"The zip is not one usable slide. {error.message}")


@dataclass(frozen=True)
class _Member:
    """A file in the zip and its target path. ``is_dicom``: written only if it begins like a DICOM file."""

    entry: zipfile.ZipInfo
    target: PurePosixPath
    is_dicom: bool = False


def _check_room(place: Path, limits: ArchiveLimits, size_bytes: int) -> None:
    """DiskLowError when ``size_bytes`` more on the file system of ``place`` would leave too little free."""
    if shutil.disk_usage(place).free - size_bytes < limits.free_bytes:
        raise _no_room()


def _no_room() -> DiskLowError:
    return DiskLowError("The server's disk has no room to unpack this slide. Free space there, then send it again.")


def _check_directory_size(zip_path: Path, limits: ArchiveLimits) -> None:
    """Python reads a zip's whole directory into memory, so its size is bounded before."""
    entries, size = _directory_extent(zip_path)
    if entries > limits.entries or size > limits.entries * 1024:
        raise _too_many(entries, limits)


def _directory_extent(path: Path) -> tuple[int, int]:
    """(entries, bytes) of the central directory, from the file's last bytes (APPNOTE.TXT 4.3.14 to 4.3.16).

    Raises ArchiveInvalidError where the file is no whole zip.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        tail_bytes = min(size, _END.size + _LOCATOR.size + _COMMENT_MAX_BYTES)
        file.seek(size - tail_bytes)
        tail = file.read(tail_bytes)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or at + _END.size > len(tail):
            raise ArchiveInvalidError("The zip has no end: it was cut off or is no zip. Send it again.")
        *_, entries, directory_bytes, _offset, _comment = _END.unpack_from(tail, at)
        locator_at = at - _LOCATOR.size
        if locator_at >= 0 and tail[locator_at : locator_at + 4] == b"PK\x06\x07":
            _, _, end64_at, _ = _LOCATOR.unpack_from(tail, locator_at)
            file.seek(min(end64_at, size))
            end64 = file.read(_END64.size)
            if len(end64) < _END64.size or not end64.startswith(b"PK\x06\x06"):
                raise ArchiveInvalidError("The zip's directory is damaged. Send it again.")
            fields = _END64.unpack(end64)
            entries, directory_bytes = fields[7], fields[8]
    return entries, directory_bytes


def _too_many(entries: int, limits: ArchiveLimits) -> ArchiveUnsafeError:
    return ArchiveUnsafeError(
        f"The zip lists {entries} entries; at most {limits.entries} are accepted. Pack the slide's files alone."
    )


def _checked(entries: Sequence[zipfile.ZipInfo], limits: ArchiveLimits) -> list[_Member]:
    """The files to unpack, after the entire zip has passed every check."""
    if len(entries) > limits.entries:
        raise _too_many(len(entries), limits)
    targets = target_names(entries)
    for entry in entries:
        _check_kind(entry)
    files = [entry for entry in entries if not _is_folder(entry)]
    unpacked, packed = sum(entry.file_size for entry in files), sum(entry.compress_size for entry in files)
    if unpacked > limits.total_bytes:
        raise ArchiveUnsafeError(f"The zip unpacks to {unpacked} bytes; at most {limits.total_bytes} are accepted.")
    for entry in files:
        if entry.file_size > max(_RATIO_FREE_BYTES, limits.file_ratio * entry.compress_size):
            raise ArchiveUnsafeError("A file in the zip has a compression ratio that no image reaches.")
    if unpacked > max(_RATIO_FREE_BYTES, limits.total_ratio * packed):
        raise ArchiveUnsafeError("The zip has a compression ratio that no image reaches.")
    pairs = zip(entries, targets, strict=True)
    members = [_Member(entry, target) for entry, target in pairs if target is not None and not _is_folder(entry)]
    _check_collisions([member.target for member in members])
    return _of_a_slide(members)


def _of_a_slide(files: list[_Member]) -> list[_Member]:
    """Candidates for the slide: all files beside an index, a single-file slide, or files that look like DICOM by name.

    ArchiveInvalidError if there is no candidate, or if the names show several slides.
    """
    for suffixes in (INDEX_SUFFIXES, SINGLE_SUFFIXES):
        found = [member for member in files if member.target.suffix.lower() in suffixes]
        if len(found) > 1:
            raise _no_usable_slide(several_slides(len(found)))
        if found:
            return files if suffixes is INDEX_SUFFIXES else found
    found = [member for member in files if has_dicom_name(member.target)]
    if not found:
        raise ArchiveInvalidError(f"The zip contains no slide. {ACCEPTED}")
    return [replace(member, is_dicom=True) for member in found]


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    """Also with backslashes, as Windows PowerShell 5 writes them."""
    return entry.is_dir() or (entry.orig_filename.endswith("\\") and entry.file_size == 0)


def _check_kind(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise ArchiveUnsafeError("The zip is encrypted: send it without a password.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise ArchiveUnsafeError("The zip holds a link or a special file.")
    if entry.compress_type not in _METHODS:
        raise ArchiveUnsafeError("The zip is compressed by a method that is not accepted: use store or deflate.")


def _check_collisions(targets: Sequence[PurePosixPath]) -> None:
    """No two files of one name (case aside), no file where another one needs a folder."""
    names = [PurePosixPath(str(target).casefold()) for target in targets]
    taken = set(names)
    if len(taken) < len(names) or any(parent in taken for name in names for parent in name.parents):
        raise ArchiveUnsafeError("Two files in the zip have the same name.")


def _extract(
    archive: zipfile.ZipFile,
    members: Sequence[_Member],
    folder: Path,
    limits: ArchiveLimits,
    should_stop: Callable[[], bool] | None,
) -> None:
    for member in members:
        target, size_bytes, written = folder / member.target, member.entry.file_size, 0
        if member.is_dicom and not _begins_as_dicom(archive, member.entry):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member.entry) as source, target.open("xb") as out:
            while block := source.read(_BLOCK_BYTES):
                if should_stop is not None and should_stop():
                    raise CancelledError("The work was stopped while the slide was unpacked.")
                written += len(block)
                if written > size_bytes:
                    raise ArchiveUnsafeError("A file in the zip is larger than the zip says.")
                _check_room(folder, limits, len(block))
                out.write(block)
        if written != size_bytes:
            raise ArchiveInvalidError("The zip is cut off: send it again.")


def _begins_as_dicom(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    with archive.open(entry) as source:
        return begins_as_dicom(source.read(DICOM_HEAD_BYTES))

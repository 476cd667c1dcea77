"""Slides that lie elsewhere: inside a configured root, and the same at the end as at the beginning.

Those given by path are read in place; objects are fetched (copies.py).
"""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from app.errors import (
    ObjectNotAllowedError,
    PathNotAllowedError,
    SlideMissingError,
    SourceChangedError,
    StorageUnavailableError,
    XmagError,
)
from app.records.record import JobRequest, PathSource
from app.settings import Settings
from app.slides.formats.files import folder_of
from app.slides.sandbox.real_file import check_real
from app.system.inodes import lasting_inode
from app.system.object_address import ObjectAddress


def resolve_source(path: str, settings: Settings) -> Path:
    """The real path of a slide inside one of the slide roots, links followed first.

    Raises PathNotAllowedError, SlideMissingError, StorageUnavailableError.

    What lies outside is refused before it is looked at, so that the answer tells nothing about it.
    """
    roots = settings.slide_roots
    if not roots:
        raise PathNotAllowedError("No slide folder is configured on this server: set XMAG_SLIDE_ROOTS, or upload.")
    if not path.startswith("/") or "\0" in path:
        raise PathNotAllowedError("The path must be absolute and inside one of the server's slide folders.")
    try:
        real = Path(path).resolve()
    except RuntimeError as error:  # links that lead in a circle
        raise SlideMissingError("There is no slide at that path.") from error
    if real.is_relative_to(settings.data_dir.resolve()):
        raise PathNotAllowedError("The path lies in the service's own folder: uploads are analysed once, as sent.")
    if not any(real.is_relative_to(root) and real != root for root in roots):
        raise PathNotAllowedError("The path lies outside the slide folders of this server (XMAG_SLIDE_ROOTS).")
    try:
        is_there = real.exists()
    except OSError as error:
        raise _unlookable(error) from error
    if not is_there:
        raise SlideMissingError("There is no slide at that path.")
    return real


def _unlookable(error: OSError) -> XmagError:
    if error.errno == errno.EACCES:
        return PathNotAllowedError("The server may not read that folder: give its user the right to.")
    if error.errno == errno.ENAMETOOLONG:
        return SlideMissingError("There is no slide at that path: no name is that long.")
    return StorageUnavailableError(f"The server cannot read that folder: {error.strerror}. Try again later.")


def resolve_object(text: str, settings: Settings) -> ObjectAddress:
    """The address of an object inside one of the object roots. ObjectNotAllowedError, without asking the store."""
    if not settings.object_roots:
        raise ObjectNotAllowedError("No object store is configured on this server: set XMAG_OBJECT_ROOTS, or upload.")
    try:
        address = ObjectAddress.parse(text)
    except ValueError as error:
        raise ObjectNotAllowedError(f"Invalid object address: {error}.") from error
    if not any(address.is_below(ObjectAddress.parse(root)) for root in settings.object_roots):
        raise ObjectNotAllowedError("The object lies outside the buckets of this server (XMAG_OBJECT_ROOTS).")
    return address


class SourceState(NamedTuple):
    """Size in bytes and time of the last change in ns: the sum and the latest of all files of a slide.

    ``inodes``: of each file; None where the file system may change it.
    """

    size_bytes: int
    mtime_ns: int
    inodes: tuple[int | None, ...]


def source_state(files: Sequence[Path]) -> SourceState:
    """What tells a slide from another one in its place. Raises FileNotFoundError."""
    states = [file.stat() for file in files]
    return SourceState(
        size_bytes=sum(s.st_size for s in states),
        mtime_ns=max((s.st_mtime_ns for s in states), default=0),
        inodes=tuple(map(lasting_inode, files)),
    )


def source_files(source: PathSource) -> tuple[Path, ...]:
    """The slide's files, as the request found them."""
    folder = folder_of(Path(source.path))
    return tuple(folder / name for name in source.files)


def check_unchanged(request: JobRequest) -> None:
    """SourceChangedError or SlideMissingError when a slide given by path is not what was asked for."""
    source = request.source
    if not isinstance(source, PathSource):
        return
    try:
        check_real(Path(source.path))
        state = source_state(source_files(source))
    except FileNotFoundError as error:
        raise SlideMissingError("The slide is no longer where the request said. Send the request again.") from error
    if state != (source.size_bytes, source.mtime_ns, source.inodes):
        raise SourceChangedError("The slide was changed after the request. Send the request again.")

"""Files that survive a power cut: written aside, fsynced, then given their name in one step.

And locks between processes, which end with the process that holds them.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""``OSError.errno`` where there is no room."""


def sync(path: Path) -> None:
    """Make a file's bytes durable, or the names made or removed in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path, up_to: Path) -> None:
    """fsync all files below ``folder``, then the folders from the deepest up to ``up_to``, which is above it.

    Raises OSError, also for writes that the file system had put off (ENOSPC).
    """
    below = sorted(folder.absolute().rglob("*"))
    above = [parent for parent in folder.absolute().parents if parent.is_relative_to(up_to.absolute())]
    for path in below:
        if not path.is_dir():
            sync(path)
    for path in [*reversed([path for path in below if path.is_dir()]), folder, *above]:
        sync(path)


def write_once(path: Path, data: bytes) -> bool:
    """Write ``path`` whole or not at all, and never over an existing file. False if it exists already."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        sync(path.parent)
        return True
    finally:
        aside.unlink(missing_ok=True)


def write_over(path: Path, data: bytes) -> None:
    """Write ``path`` in place of what is there: the old bytes or the new ones, never half; for its owner alone."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def append_line(path: Path, line: str) -> None:
    """Append one line and make it durable. Lines under 4 KiB do not mix (POSIX O_APPEND)."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        data = f"{line}\n".encode()
        if not is_new and path.stat().st_size and not _ends_line(path):
            data = b"\n" + data  # a crash tore the last line: it must not swallow this one
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync(path.parent)


def take_lock(file: IO[Any] | int, *, wait: bool = True) -> bool:
    """Lock an open file until it is closed. False if another has it locked and ``wait`` is false."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path, *, wait: bool = True, make: bool = True) -> Iterator[bool]:
    """Hold the lock of the file at ``path``. Yields False if another holds it and ``wait`` is false.

    FileNotFoundError if there is no file and it is not to be made. Open for writing: network file systems want that.
    """
    with path.open("ab" if make else "r+b") as file:
        yield take_lock(file, wait=wait)

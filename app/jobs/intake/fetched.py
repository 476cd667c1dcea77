"""Copies of slides that lie in an object store, ``<data>/fetched/<job>-<attempt>/``: gone when their attempt ends.

Each folder holds the slide, and a file that says how large it will be and is locked by the worker. The lock ends with
its process, so that what a crash leaves is recognised and cleared (reconcile.py). Folders are made and cleared by one
process at a time, so that two never count on the same space.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from app.errors import DiskLowError
from app.from_settings import archive_limits
from app.jobs.intake.source import resolve_object
from app.jobs.intake.unpack import unpacked
from app.objects.store import TURN_S, ObjectState, ObjectStore
from app.records.record import JobRequest, ObjectSource
from app.records.store import SLIDE, Attempt
from app.settings import Settings
from app.slides.formats.archive.archive import blaming_zip
from app.slides.formats.catalogue import slide_suffix
from app.system.disk import has_room
from app.system.durable import locked, take_lock

EXPECTS, LOCK = "expects", ".lock"
STAGE = "fetch"


@dataclass(frozen=True)
class FetchedSlide:
    """The path to open a slide by. ``sha256`` and ``size_bytes``: None for a zip, whose slide only a reader knows."""

    path: Path
    sha256: str | None = None
    size_bytes: int | None = None


class Copies:
    """One for all slots of a worker."""

    def __init__(self, settings: Settings, objects: ObjectStore) -> None:
        self._settings, self._root, self._objects = settings, settings.data_dir / "fetched", objects

    @contextmanager
    def fetched(
        self, source: ObjectSource, request: JobRequest, attempt: Attempt, progress: Callable[[str, int, int], None]
    ) -> Iterator[FetchedSlide]:
        """The slide, hashed on its way and unpacked, as long as the block lasts.

        Waits for space for as long as for a store that does not answer, then raises DiskLowError. Also
        ObjectNotAllowedError, SlideMissingError, SourceChangedError, StorageUnavailableError, the archive's errors,
        and what ``progress`` raises.
        """
        address = resolve_object(source.object, self._settings)
        state = ObjectState(source.size_bytes, source.etag, source.version)
        nothing_yet = partial(progress, STAGE, 0, state.size_bytes)
        suffix = slide_suffix(address.key)
        # A zip and what it unpacks to, scans that are compressed already, lie side by side for a while.
        needed_bytes = state.size_bytes * (2 if suffix == ".zip" else 1)
        with self._folder(f"{request.id}-{attempt.number}", needed_bytes, nothing_yet) as folder:
            path = folder / f"slide{suffix}"
            with path.open("xb") as file:
                arrival = _Arrival(file, state.size_bytes, progress)
                self._objects.fetch(address, state, arrival.take, arrival.turn)
            slide = unpacked(path, archive_limits(self._settings), arrival.should_stop)
            if slide == path:
                yield FetchedSlide(path, arrival.sha256.hexdigest(), arrival.done)
                return
            (folder.parent / EXPECTS).write_text("0")  # the zip is gone, and nothing more comes
            with blaming_zip(slide):
                yield FetchedSlide(slide)

    def clear(self) -> int:
        """Remove what ended processes left; how many copies that were."""
        with self._alone() as is_alone:
            return self._clear() if is_alone else 0

    def _clear(self) -> int:
        count = 0
        for folder in self._folders():
            if not _is_held(folder):
                shutil.rmtree(folder, ignore_errors=True)
                count += 1
        return count

    @contextmanager
    def _folder(self, name: str, size_bytes: int, turn: Callable[[], None]) -> Iterator[Path]:
        deadline = time.monotonic() + self._settings.object_patience_s
        while (lock := self._reserve(name, size_bytes)) is None:
            if time.monotonic() > deadline:
                raise DiskLowError("The server's disk has no room for a copy of the slide. The job waits until it has.")
            turn()
            time.sleep(TURN_S)
        with lock:
            try:
                yield self._root / name / SLIDE
            finally:
                shutil.rmtree(self._root / name, ignore_errors=True)

    def _reserve(self, name: str, size_bytes: int) -> IO[str] | None:
        """Make the folder; its lock, or None while there is no room, or others make and clear theirs."""
        self._root.mkdir(exist_ok=True, mode=0o700)
        with self._alone() as is_alone:
            if not is_alone:
                return None
            self._clear()
            if not self._has_room(size_bytes):
                return None
            # A slide lies alone: formats of many files look around.
            (self._root / name / SLIDE).mkdir(parents=True, mode=0o700)
            lock = (self._root / name / EXPECTS).open("x")
            take_lock(lock)
            lock.write(str(size_bytes))
            lock.flush()
            return lock

    def _has_room(self, size_bytes: int) -> bool:
        """Whether the copy, and those on their way, leave as much free space as is to be kept."""
        coming = sum(_still_to_come(folder) for folder in self._folders())
        return has_room(self._root, coming + size_bytes, keep_free_bytes=self._settings.disk_free_min_bytes)

    def _folders(self) -> list[Path]:
        return [entry for entry in self._root.iterdir() if entry.name != LOCK] if self._root.exists() else []

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other process is inside; False too where there never was a copy."""
        if not self._root.exists():
            yield False
            return
        with locked(self._root / LOCK, wait=False) as is_alone:
            yield is_alone


class _Arrival:
    """Writes a slide's bytes as they come, hashes them, and tells ``progress``, which raises when it is to stop."""

    def __init__(self, file: IO[bytes], size_bytes: int, progress: Callable[[str, int, int], None]) -> None:
        self._file, self._size_bytes, self._progress = file, size_bytes, progress
        self.done, self.sha256 = 0, hashlib.sha256()

    def take(self, part: memoryview) -> None:
        self._file.write(part)
        self.sha256.update(part)
        self.done += len(part)

    def turn(self) -> None:
        self._progress(STAGE, self.done, self._size_bytes)

    def should_stop(self) -> bool:
        self.turn()
        return False


def _is_held(folder: Path) -> bool:
    try:
        with locked(folder / EXPECTS, wait=False, make=False) as is_free:
            return not is_free
    except FileNotFoundError:
        return False


def _still_to_come(folder: Path) -> int:
    """Bytes of the copy that are not on disk yet; none of one that is being removed."""
    try:
        expected = int((folder / EXPECTS).read_text() or 0)
        present = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    except FileNotFoundError:
        return 0
    return max(0, expected - present)

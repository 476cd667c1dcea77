"""Uploads that come in pieces, ``<data>/uploads/<id>/``: what was received stays over broken lines and restarts.

``upload.json`` (who, how long, which file extension) is written first. ``data`` only grows, and its size is the offset.
It is durable before the offset is sent. ``taken`` names the job that the complete upload became. The job gets a second
name of the same bytes (a link), so a slide that is refused need not be sent again. Of the client's file name only the
extension is kept.
"""

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from app.errors import (
    DiskLowError,
    QueueFullError,
    UploadBusyError,
    UploadIncompleteError,
    UploadNotFoundError,
)
from app.jobs.intake.unpack import ReceivedFile
from app.records.ids import is_job_id, new_job_id
from app.records.record import Holder, Record, now
from app.slides.formats.hashing import hash_slide
from app.system.durable import DISK_FULL, locked, sync, take_lock, write_once
from app.system.shares import Owner, Shares

RECORD, DATA, TAKEN, LOCK = "upload.json", "data", "taken", ".lock"
UPLOADS_KEPT_MAX = 4096
LOCK_WAIT_S = 5.0
HOUR_S = 3600.0


class UploadRecord(Record):
    """upload.json. ``tenant`` and ``owner``: of the upload. ``suffix``: client's file extension with dot, or empty."""

    id: str
    created_at: datetime
    tenant: str
    owner: str
    length_bytes: int
    suffix: str

    @property
    def holder(self) -> Holder:
        """Whose it is."""
        return Holder(self.tenant, self.owner)


@dataclass(frozen=True)
class Upload:
    """An upload and where it lies."""

    record: UploadRecord
    folder: Path

    @property
    def offset(self) -> int:
        """Bytes received."""
        return (self.folder / DATA).stat().st_size

    @property
    def taken_by(self) -> str | None:
        """The job that it became."""
        try:
            return (self.folder / TAKEN).read_text(encoding="ascii")
        except FileNotFoundError:
            return None


class UploadWriter:
    """Appends to an upload, and keeps its hash going."""

    def __init__(self, upload: Upload, file: IO[bytes], hashes: "dict[str, _RunningHash]") -> None:
        self._upload, self._file, self._hashes = upload, file, hashes
        self.offset = upload.offset

    def append(self, chunk: bytes) -> None:
        """Write ``chunk``. DiskLowError when it does not fit on the disk."""
        view = memoryview(chunk)
        try:
            while view:
                written = self._file.write(view)
                running = self._hashes.get(self._upload.record.id)
                if running is not None and running.bytes == self.offset:
                    running.add(view[:written])
                self.offset += written
                view = view[written:]
        except OSError as error:
            if error.errno in DISK_FULL:
                raise DiskLowError(
                    "The server's disk became too full for this slide. Continue once there is space."
                ) from error
            raise


class _RunningHash:
    """SHA-256 of the first ``bytes`` bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._sha256 = hashlib.sha256()

    def add(self, chunk: memoryview) -> None:
        self._sha256.update(chunk)
        self.bytes += len(chunk)

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


class UploadStore:
    """All uploads below ``root``. Blocks. One writer of an upload at a time, also between processes."""

    def __init__(self, root: Path, keep_hours: float) -> None:
        self._root, self._keep_s = root, keep_hours * HOUR_S
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._hashes: dict[str, _RunningHash] = {}
        self._holders: dict[str, Holder] = {}

    def create(self, holder: Holder, length_bytes: int, suffix: str) -> Upload:
        """A new upload of ``length_bytes``. QueueFullError when the holder's share of those kept is used up."""
        if not Shares(UPLOADS_KEPT_MAX, self._held()).may_take(holder):
            raise QueueFullError("Too many unfinished uploads are kept. Finish some, or try again later.")
        record = UploadRecord(
            id=new_job_id(),
            created_at=now(),
            tenant=holder.tenant,
            owner=holder.owner,
            length_bytes=length_bytes,
            suffix=suffix,
        )
        upload = Upload(record, self._root / record.id)
        upload.folder.mkdir(mode=0o700)
        (upload.folder / DATA).touch(mode=0o600)
        write_once(upload.folder / RECORD, record.model_dump_json().encode())
        sync(self._root)
        self._hashes[record.id] = _RunningHash()
        return upload

    def _held(self) -> Counter[Owner]:
        """Owners of the unfinished uploads."""
        names = [folder.name for folder in self._root.iterdir() if (folder / DATA).exists()]
        holders: dict[str, Holder] = {}
        for name in names:
            with suppress(UploadNotFoundError):  # erased since it was listed
                holders[name] = self._holders.get(name) or self._record(name).holder
        self._holders = holders
        return Counter(holders.values())

    def find(self, upload_id: str, holder: Holder) -> Upload:
        """The upload. UploadNotFoundError if it is missing, belongs to another holder, or became a job."""
        upload = self.find_any(upload_id, holder)
        if upload.taken_by is not None:
            raise _not_found()
        return upload

    def find_any(self, upload_id: str, holder: Holder) -> Upload:
        """The same, and one that became a job too."""
        record = self._record(upload_id)
        if record.holder != holder:
            raise _not_found()
        return Upload(record, self._root / upload_id)

    def _record(self, upload_id: str) -> UploadRecord:
        if not is_job_id(upload_id):
            raise _not_found()
        try:
            return UploadRecord.model_validate_json((self._root / upload_id / RECORD).read_bytes())
        except (FileNotFoundError, ValidationError):
            raise _not_found() from None

    @contextmanager
    def writer(self, upload: Upload) -> Iterator[UploadWriter]:
        """Append to the upload; durable at the end of the block. UploadBusyError while somebody else does."""
        with self.locked(upload), (upload.folder / DATA).open("ab", buffering=0) as file:
            try:
                yield UploadWriter(upload, file, self._hashes)
            finally:
                os.fsync(file.fileno())

    @contextmanager
    def locked(self, upload: Upload) -> Iterator[None]:
        """Nobody else changes the upload inside this block. UploadBusyError, UploadNotFoundError (erased)."""
        try:
            lock = (upload.folder / LOCK).open("wb")
        except FileNotFoundError as error:
            raise _not_found() from error
        with lock:
            deadline = time.monotonic() + LOCK_WAIT_S
            while not take_lock(lock, wait=False):
                if time.monotonic() > deadline:
                    raise UploadBusyError("Another request writes this upload. Ask for its offset, and continue there.")
                time.sleep(0.05)
            if not (upload.folder / RECORD).exists():
                raise _not_found()
            yield

    def link(self, upload: Upload, folder: Path) -> ReceivedFile:
        """The whole upload as ``slide`` with its ending in ``folder``, not copied. UploadIncompleteError."""
        if upload.offset != upload.record.length_bytes:
            raise UploadIncompleteError(
                f"The upload has {upload.offset} of {upload.record.length_bytes} bytes. Finish it first."
            )
        path = folder / f"slide{upload.record.suffix}"
        os.link(upload.folder / DATA, path)
        running = self._hashes.get(upload.record.id)
        is_known = running is not None and running.bytes == upload.record.length_bytes
        digest = running.hexdigest() if running is not None and is_known else hash_slide(upload.folder / DATA)[0]
        return ReceivedFile(path, upload.record.length_bytes, digest)

    def note_taken(self, upload: Upload, job_id: str) -> None:
        """The upload became a job: only that is kept of it for a while, for a client that asks once more."""
        write_once(upload.folder / TAKEN, job_id.encode("ascii"))
        (upload.folder / DATA).unlink(missing_ok=True)
        self._hashes.pop(upload.record.id, None)

    def erase(self, upload: Upload) -> None:
        """Remove it for good."""
        (upload.folder / RECORD).unlink(missing_ok=True)
        shutil.rmtree(upload.folder, ignore_errors=True)
        sync(self._root)
        self._hashes.pop(upload.record.id, None)

    def ends_at(self, upload: Upload) -> datetime:
        """When it is erased if nothing more is received."""
        return datetime.fromtimestamp(_changed_s(upload.folder), UTC) + timedelta(seconds=self._keep_s)

    def clear(self) -> int:
        """Erase what nothing was added to, and no job made of, for too long; how many."""
        count = 0
        for folder in list(self._root.iterdir()):
            if is_job_id(folder.name) and time.time() - _changed_s(folder) > self._keep_s and _erase_idle(folder):
                self._hashes.pop(folder.name, None)
                count += 1
        return count


def _erase_idle(folder: Path) -> bool:
    with locked(folder / LOCK, wait=False) as is_idle:
        if not is_idle:
            return False
        (folder / RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _changed_s(folder: Path) -> float:
    """When something was last received or done, in seconds since 1970."""
    times = [path.stat().st_mtime for path in (folder / DATA, folder / TAKEN, folder / RECORD) if path.exists()]
    return max(times, default=folder.stat().st_mtime)


def _not_found() -> UploadNotFoundError:
    return UploadNotFoundError("No such upload: it was never begun, was not finished in time, or became a job.")

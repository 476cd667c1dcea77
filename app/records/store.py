"""Jobs on disk, ``<data>/jobs/<id>/``: the truth. Redis only holds what lies between request and outcome.

A job exists once ``request.json`` does and is over once ``outcome.json`` does; both are written once and
never change. A folder with neither is an upload on its way, held by a lock that dies with its process.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from app.errors import InternalError, JobErasedError, JobNotFoundError, RecordUnreadableError, SlideGoneError
from app.records import attempts
from app.records.attempts import Attempts, read_attempts
from app.records.ids import is_job_id
from app.records.record import NOBODY, Holder, JobRequest, Outcome, PathSource, Record, Tombstone, UploadSource, now
from app.system.durable import locked, sync, write_once

Kind = TypeVar("Kind", bound=Record)
REQUEST, OUTCOME, ATTEMPTS, TOMBSTONE, SLIDE = "request.json", "outcome.json", "attempts", "tombstone.json", "slide"
AUDITED, UPLOAD_LOCK = "audited", ".uploading"
LOCKLESS_S = 600.0  # generous: clocks of machines that share the folder differ


@dataclass(frozen=True)
class Attempt:
    """One try at a job: its number, from 1, and a folder of its own for its files."""

    number: int
    started_at: datetime
    folder: Path


class JobStore:
    """All jobs below ``root``. Methods are safe to call from several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._closed: set[str] = set()
        # Requests and outcomes never change, so that a process reads each at most once.
        self._request = lru_cache(maxsize=4096)(self._read_request)
        self._outcome = lru_cache(maxsize=4096)(self._read_outcome)

    def folder(self, job_id: str) -> Path:
        """The job's folder, whether or not it exists. JobNotFoundError for anything that is not an id."""
        if not is_job_id(job_id):
            raise JobNotFoundError("No such job. POST /analyze and GET /jobs return valid ids.")
        return self.root / job_id

    def commit(self, request: JobRequest) -> None:
        """Make the job exist. InternalError if the id is taken (ids are random: never by chance)."""
        folder = self.folder(request.id)
        if not write_once(folder / REQUEST, request.model_dump_json().encode()):
            raise InternalError("A job of this id exists already. Send the request again.")
        sync(self.root)

    def exists(self, job_id: str) -> bool:
        """Whether the job was accepted and not erased."""
        return (self.folder(job_id) / REQUEST).exists()

    def check_exists(self, job_id: str) -> None:
        """JobNotFoundError for what was never accepted, JobErasedError for what was erased."""
        folder = self.folder(job_id)
        if (folder / TOMBSTONE).exists():
            raise JobErasedError("This job was erased, with its slide and results.")
        if not (folder / REQUEST).exists():
            raise JobNotFoundError("No such job. POST /analyze and GET /jobs return valid ids.")

    def request(self, job_id: str) -> JobRequest:
        """The request. JobNotFoundError, or JobErasedError once it was erased."""
        self.check_exists(job_id)
        return self._request(job_id)

    def _read_request(self, job_id: str) -> JobRequest:
        return _parsed(JobRequest, self.folder(job_id) / REQUEST)

    def outcome(self, job_id: str) -> Outcome | None:
        """The outcome, or None while there is none."""
        return self._outcome(job_id) if (self.folder(job_id) / OUTCOME).exists() else None

    def _read_outcome(self, job_id: str) -> Outcome:
        return _parsed(Outcome, self.folder(job_id) / OUTCOME)

    def outcome_written_s(self, job_id: str) -> float:
        """When the outcome was written, in seconds since 1970, by the file itself."""
        return (self.folder(job_id) / OUTCOME).stat().st_mtime

    def awaits_audit(self, job_id: str) -> bool:
        """Whether the job is over and that was not marked as written into the audit log."""
        folder = self.folder(job_id)
        names = (OUTCOME, REQUEST)
        return all((folder / name).exists() for name in names) and not (folder / AUDITED).exists()

    def needs_no_audit(self, job_id: str) -> bool:
        """Whether the audit log says how the job ended. False while it is open, or still on its way in."""
        folder = self.folder(job_id)
        return (folder / AUDITED).exists() or (folder / TOMBSTONE).exists()

    def note_audited(self, job_id: str) -> None:
        """Mark that it was."""
        write_once(self.folder(job_id) / AUDITED, b"")

    def is_over(self, job_id: str) -> bool:
        """Whether nothing remains to be done: it has an outcome, or it is gone."""
        folder = self.folder(job_id)
        return (folder / OUTCOME).exists() or (folder / TOMBSTONE).exists() or not (folder / REQUEST).exists()

    def finish(self, job_id: str, outcome: Outcome) -> bool:
        """Write the outcome. False if another came first, or the job was erased: then this one never was."""
        folder = self.folder(job_id)
        try:
            is_first = write_once(folder / OUTCOME, outcome.model_dump_json().encode())
        except FileNotFoundError:
            return False
        if (folder / TOMBSTONE).exists():  # who erases it from now on finds the outcome, and removes it too
            (folder / OUTCOME).unlink(missing_ok=True)
            return False
        return is_first

    def is_abandoned(self, job_id: str) -> bool:
        """Whether the folder is that of an upload whose process died: nobody holds its lock."""
        folder = self.folder(job_id)
        if (folder / REQUEST).exists():
            return False
        try:
            with locked(folder / UPLOAD_LOCK, wait=False, make=False) as is_free:
                return is_free and not (folder / REQUEST).exists()
        except FileNotFoundError:  # it died before it could make one, or is about to
            return folder.exists() and time.time() - folder.stat().st_mtime > LOCKLESS_S and not self.exists(job_id)

    def slide_path(self, request: JobRequest) -> Path:
        """The slide's path, without links. SlideGoneError for an object, of which no copy is kept."""
        source = request.source
        if isinstance(source, UploadSource):
            return (self.folder(request.id) / SLIDE / source.entry).resolve()
        if isinstance(source, PathSource):
            return Path(source.path)
        raise SlideGoneError("The slide lies in an object store, and no copy of it is kept here; the results are.")

    def has_upload(self, job_id: str) -> bool:
        """Whether the job's uploaded slide is kept."""
        return (self.folder(job_id) / SLIDE).is_dir()

    def erase_upload(self, job_id: str) -> None:
        """Remove the uploaded slide; everything else stays."""
        shutil.rmtree(self.folder(job_id) / SLIDE, ignore_errors=True)  # what is left goes at the next turn
        sync(self.folder(job_id))

    def attempts(self, job_id: str) -> Attempts:
        """How often the job was tried."""
        return read_attempts(self.folder(job_id) / ATTEMPTS)

    def begin_attempt(self, job_id: str, worker: str) -> Attempt:
        """Count an attempt and make its folder."""
        folder = self.folder(job_id)
        number, started_at = attempts.begin(folder / ATTEMPTS, worker)
        attempt = Attempt(number, started_at, folder / f"attempt-{number}")
        attempt.folder.mkdir(mode=0o700)
        return attempt

    def discard(self, attempt: Attempt) -> None:
        """Remove the files of an attempt that is not the job's outcome."""
        shutil.rmtree(attempt.folder, ignore_errors=True)

    def hand_back(self, job_id: str, number: int) -> None:
        """Do not count attempt ``number``."""
        attempts.hand_back(self.folder(job_id) / ATTEMPTS, number)

    def note_failure(self, job_id: str, number: int, code: str) -> None:
        """Attempt ``number`` ended with an error, and its worker goes on."""
        attempts.note_failure(self.folder(job_id) / ATTEMPTS, number, code)

    def ids_newest_first(self) -> list[str]:
        """Ids of all folders that look like jobs, erased and unfinished ones included."""
        with os.scandir(self.root) as entries:
            return sorted((entry.name for entry in entries if is_job_id(entry.name)), reverse=True)

    def open_ids(self) -> Iterator[str]:
        """Accepted jobs without outcome, oldest first. Cheap to repeat: what was over once is not looked at again."""
        for job_id in reversed(self.ids_newest_first()):
            if job_id in self._closed:
                continue
            if self.exists(job_id) and not self.is_over(job_id):
                yield job_id
            elif (self.root / job_id / OUTCOME).exists() or (self.root / job_id / TOMBSTONE).exists():
                self._closed.add(job_id)

    def erase(self, job_id: str) -> None:
        """Remove request, slide and results for good; a tombstone stays. Slides that lie elsewhere are not touched."""
        folder = self.folder(job_id)
        if not (folder / TOMBSTONE).exists():
            holder = self.holder(job_id)
            tombstone = Tombstone(erased_at=now(), tenant=holder.tenant, owner=holder.owner)
            write_once(folder / TOMBSTONE, tombstone.model_dump_json().encode())
        (folder / REQUEST).unlink(missing_ok=True)
        sync(folder)
        for entry in list(folder.iterdir()):
            if entry.name == TOMBSTONE:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)  # another may be erasing it too; what is left is cleared later
            else:
                entry.unlink(missing_ok=True)
        sync(folder)
        self._request.cache_clear()
        self._outcome.cache_clear()

    def tombstone(self, job_id: str) -> Tombstone:
        """What stays of an erased job."""
        return _parsed(Tombstone, self.folder(job_id) / TOMBSTONE)

    def holder(self, job_id: str) -> Holder:
        """Owner of the job; nobody if its request is missing or unreadable."""
        try:
            return self.request(job_id).holder
        except (JobErasedError, JobNotFoundError, RecordUnreadableError):
            return NOBODY


def _parsed(kind: type[Kind], path: Path) -> Kind:
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise RecordUnreadableError(
            "The job's record is damaged, or was written by another version of the service."
        ) from error

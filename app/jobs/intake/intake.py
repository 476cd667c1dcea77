"""From a received slide to an accepted job: unpack, probe, commit, queue. After ``accept`` nothing can lose it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.access.audit import Actor, AuditLog, Event
from app.errors import PathNotAllowedError, QueueUnavailableError, SourceChangedError
from app.from_settings import archive_limits, reader_limits
from app.jobs.callbacks import Callbacks
from app.jobs.intake.source import source_state
from app.jobs.intake.unpack import ReceivedFile, unpacked
from app.jobs.queue.queue import JobQueue
from app.records.idempotency import Claims
from app.records.record import JobRequest, PathSource, Source, UploadSource
from app.records.store import JobStore
from app.settings import Settings
from app.slides.formats.archive.archive import blaming_zip
from app.slides.formats.files import folder_of, slide_files
from app.slides.formats.hashing import hash_files
from app.slides.sandbox.pool import ReaderPool
from app.slides.types import SlideInfo
from app.system.durable import sync

PROBES = 8
"""Most probes of uploads at a time, and as many of slides by path."""
log = structlog.stdlib.get_logger("xmag.intake")


@dataclass(frozen=True)
class Probe:
    """What a reader process found in a new slide. ``files``: all files of the slide."""

    info: SlideInfo
    files: tuple[Path, ...]


class Intake:
    """What a new job passes through. Everything here blocks: call it from a thread."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        queue: JobQueue,
        *,
        audit: AuditLog,
        claims: Claims,
        callbacks: Callbacks,
    ) -> None:
        self._settings, self._store, self._queue = settings, store, queue
        self._audit, self._claims, self.callbacks = audit, claims, callbacks
        # A reader that a hostile slide took over must not see the next one.
        self._readers = ReaderPool(size=2 * PROBES, limits=reader_limits(settings))

    def close(self) -> None:
        """End the probing processes."""
        self._readers.close()

    def unpack(self, file: ReceivedFile) -> Path:
        """The path to open a received slide by; a zip is unpacked first. The archive's typed errors."""
        return unpacked(file.path, archive_limits(self._settings))

    @staticmethod
    def uploaded(file: ReceivedFile, path: Path, probe: Probe) -> UploadSource:
        """Make a probed slide durable. ``path``: the path to open it by."""
        folder = file.path.parent
        sha256, size_bytes = (file.sha256, file.size_bytes) if path == file.path else hash_files(probe.files)
        sync(folder)
        return UploadSource(entry=str(path.relative_to(folder)), size_bytes=size_bytes, sha256=sha256)

    def by_path(self, path: Path, mpp: float | None) -> tuple[PathSource, SlideInfo]:
        """Probe a slide of the hospital's own, and note what it looked like. The slide's typed errors."""
        try:
            before = {file: source_state([file]) for file in slide_files(path)}
            probe = self.probe(path, mpp)
            if any(source_state([file]) != before.get(file) for file in probe.files):
                raise SourceChangedError(
                    "The slide is still being written. Send the request again when it is complete."
                )
            state = source_state(probe.files)
        except PermissionError as error:
            raise PathNotAllowedError("The server may not read that file: check its permissions.") from error
        names = tuple(file.relative_to(folder_of(path)).as_posix() for file in probe.files)
        return PathSource(path=str(path), files=names, **state._asdict()), probe.info

    def probe(self, path: Path, mpp: float | None) -> Probe:
        """Open the slide in a reader process."""
        with self._readers.lease() as reader:
            return Probe(reader.open(path, mpp), reader.files)

    def probe_received(self, path: Path, mpp: float | None) -> Probe:
        """The same for a slide that may come out of a zip."""
        with blaming_zip(path):
            return self.probe(path, mpp)

    def accept(self, request: JobRequest, actor: Actor, idempotency: str | None, fingerprint: str) -> JobRequest:
        """Make the job durable and queue it. A repeated Idempotency-Key gives the job that it made before."""
        if idempotency is None:
            self._commit(request, actor)
        else:
            request = request.model_copy(update={"idempotency": idempotency})
            job_id = self._claims.claim(
                idempotency, fingerprint, request.id, self._store, lambda: self._commit(request, actor)
            )
            if job_id != request.id:
                return self._store.request(job_id)
        try:
            self._queue.enqueue(request.id, request.priority, request.holder)
        except QueueUnavailableError as error:
            # The request is on disk: the reconciler queues it as soon as Redis answers.
            log.warning("queue.unavailable", during="enqueue", job=request.id, reason=error.message)
        return request

    def check_same(self, job: JobRequest, fingerprint: str) -> None:
        """IdempotencyKeyReusedError unless ``fingerprint`` is the one that ``job`` was made with its key."""
        if job.idempotency is not None:
            self._claims.check_same(job.idempotency, fingerprint)

    def _commit(self, request: JobRequest, actor: Actor) -> None:
        self._audit.append(Event("job.submit", actor, request.id, request.tenant, request.source.type))
        if request.callback_url is not None:
            self.callbacks.promise(request.id, request.callback_url)
        self._store.commit(request)


def fingerprint_of(source: Source, fields: dict[str, object]) -> str:
    """What makes two requests the same: the slide's bytes (or where it lies, and its state) and every field."""
    if isinstance(source, UploadSource):
        slide: dict[str, object] = {"sha256": source.sha256}
    else:
        slide = source.model_dump()
    text = json.dumps({"slide": slide, "fields": fields}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

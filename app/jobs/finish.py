"""How a job ends. Every outcome is written here: then it is counted, and noted in the audit log."""

import structlog

from app.access.audit import SERVICE, Actor, AuditLog, Event
from app.errors import QueueUnavailableError, RecordUnreadableError, XmagError
from app.jobs.queue.counters import count_outcome
from app.jobs.queue.queue import JobQueue
from app.jobs.status import JobStatus
from app.records.record import JobError, Outcome, now
from app.records.store import JobStore

log = structlog.stdlib.get_logger("xmag.jobs")


class Finisher:
    """Ends jobs. Thread-safe; the first outcome of a job counts, whichever process writes it."""

    def __init__(self, store: JobStore, queue: JobQueue, audit: AuditLog) -> None:
        self._store, self._queue, self._audit = store, queue, audit

    def finish(self, job_id: str, outcome: Outcome) -> bool:
        """Write the outcome. False if another came first. Raises OSError, and then nothing was written.

        What cannot be counted is not: the counts are for the metrics. What cannot be audited now is, by the upkeep.
        """
        if not self._store.finish(job_id, outcome):
            return False
        code = None if outcome.error is None else outcome.error.code
        log.info("job.finished", job=job_id, state=outcome.state, code=code, attempt=outcome.attempt)
        try:
            count_outcome(self._queue.redis, outcome.state, None if outcome.state == "cancelled" else code)
        except QueueUnavailableError as error:
            log.warning("outcome.not_counted", job=job_id, reason=error.message)
        try:
            self.audit(job_id)
        except (XmagError, OSError) as error:
            log.error("outcome.not_audited", job=job_id, reason=str(error))
        return True

    def cancel(self, status: JobStatus, actor: Actor) -> None:
        """End a waiting or running job on request. An outcome that came first stands."""
        job_id = status.request.id
        self._audit.append(Event("job.cancel", actor, job_id, status.request.tenant))
        cancelled = Outcome(
            state="cancelled",
            error=JobError(code="cancelled", message="Cancelled on request.", origin="user", retryable=False),
            attempt=status.attempt,
            started_at=status.started_at,
            finished_at=now(),
        )
        if self.finish(job_id, cancelled) and status.state == "queued":  # a running job's worker lets go itself
            try:
                self._queue.forget(job_id)
            except QueueUnavailableError as error:
                log.warning("queue.unavailable", during="cancel", job=job_id, reason=error.message)

    def audit(self, job_id: str) -> bool:
        """Write into the audit log how a job ended, once; False if it is not over, or was written already.

        After a crash between the entry and its mark it is noted again. DiskLowError, JobErasedError, OSError.
        """
        store = self._store
        if not store.awaits_audit(job_id):
            return False
        event = Event("job.over", SERVICE, job_id, tenant_of(store, job_id), _how_it_ended(store, job_id))
        return self._audit.append(event, lambda: not store.awaits_audit(job_id), lambda: self._mark(job_id))

    def _mark(self, job_id: str) -> None:
        try:
            self._store.note_audited(job_id)
        except OSError as error:  # it is written down, which is what counts
            log.error("outcome.audit_not_marked", job=job_id, reason=str(error.strerror))


def tenant_of(store: JobStore, job_id: str) -> str:
    """Whose job it is, as far as its record can be read. JobErasedError, JobNotFoundError."""
    try:
        return store.request(job_id).tenant
    except RecordUnreadableError:
        return ""


def _how_it_ended(store: JobStore, job_id: str) -> str:
    """``succeeded 2026-01-31T12:00:00+00:00``, or with the code between the two."""
    try:
        outcome = store.outcome(job_id)
    except RecordUnreadableError:
        return "unreadable"
    if outcome is None:  # erased since, and noted by its eraser
        return "erased"
    code = "" if outcome.error is None or outcome.state == "cancelled" else f" {outcome.error.code}"
    return f"{outcome.state}{code} {outcome.finished_at.isoformat('T', 'seconds')}"

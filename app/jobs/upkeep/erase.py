"""Erasing: a job with its upload and results, or the upload alone. Written into the audit log before it is done.

A slide given by path is the hospital's own and never touched.
"""

import structlog

from app.access.audit import SERVICE, Actor, AuditLog, Event
from app.errors import RecordUnreadableError
from app.records.idempotency import Claims
from app.records.record import JobRequest
from app.records.store import JobStore

log = structlog.stdlib.get_logger("xmag.erase")


def audit_outcome(store: JobStore, audit: AuditLog, job_id: str) -> bool:
    """Write down how a job ended, once; False if it is not over, or stands there already.

    At least once: after a crash between the entry and its mark it is written again.
    """
    if not store.awaits_audit(job_id):
        return False
    event = Event("job.over", SERVICE, job_id, _tenant(store, job_id), _how_it_ended(store, job_id))
    is_written = audit.append(event, unless=lambda: not store.awaits_audit(job_id))
    try:
        store.note_audited(job_id)
    except OSError as error:  # it is written down, which is what counts
        log.error("not marked as audited", job=job_id, reason=str(error.strerror))
    return is_written


class Eraser:
    """Erases jobs that are over. ``why`` is for the audit log."""

    def __init__(self, store: JobStore, claims: Claims, audit: AuditLog) -> None:
        self._store, self._claims, self._audit = store, claims, audit

    def erase(self, job_id: str, actor: Actor, why: str) -> None:
        """Erase the job; a tombstone stays, and its Idempotency-Key is free again."""
        audit_outcome(self._store, self._audit, job_id)
        self._audit.append(Event("job.erase", actor, job_id, _tenant(self._store, job_id), why))
        request = _request(self._store, job_id)
        if request is not None and request.idempotency is not None:
            self._claims.release(request.idempotency)
        self._store.erase(job_id)

    def erase_upload(self, job_id: str, actor: Actor, why: str) -> bool:
        """Erase the uploaded slide and keep the results; False if there is none (any more), or it could not be."""
        if not self._store.has_upload(job_id):
            return False
        audit_outcome(self._store, self._audit, job_id)
        self._audit.append(Event("slide.erase", actor, job_id, _tenant(self._store, job_id), why))
        self._store.erase_upload(job_id)
        return not self._store.has_upload(job_id)


def _request(store: JobStore, job_id: str) -> JobRequest | None:
    """None for a record that is damaged: its job can be erased all the same."""
    try:
        return store.request(job_id)
    except RecordUnreadableError:
        return None


def _tenant(store: JobStore, job_id: str) -> str:
    request = _request(store, job_id)
    return "" if request is None else request.tenant


def _how_it_ended(store: JobStore, job_id: str) -> str:
    """``succeeded 2026-01-31T12:00:00+00:00``, or with the code between the two."""
    try:
        outcome = store.outcome(job_id)
    except RecordUnreadableError:
        return "unreadable"
    if outcome is None:  # erased meanwhile, and written down by whoever did that
        return "erased"
    code = "" if outcome.error is None or outcome.state == "cancelled" else f" {outcome.error.code}"
    return f"{outcome.state}{code} {outcome.finished_at.isoformat('T', 'seconds')}"

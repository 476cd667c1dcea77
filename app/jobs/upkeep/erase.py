"""Erasing: a job with its upload and results, or the upload alone. Written into the audit log before it is done.

A slide given by path is the hospital's own and never touched.
"""

from app.access.audit import Actor, AuditLog, Event
from app.errors import RecordUnreadableError
from app.jobs.finish import Finisher, tenant_of
from app.records.idempotency import Claims
from app.records.record import JobRequest
from app.records.store import JobStore


class Eraser:
    """Erases jobs that are over. ``why`` is for the audit log."""

    def __init__(self, store: JobStore, claims: Claims, audit: AuditLog, finisher: Finisher) -> None:
        self._store, self._claims, self._audit, self._finisher = store, claims, audit, finisher

    def erase(self, job_id: str, actor: Actor, why: str) -> None:
        """Erase the job; a tombstone stays, and its Idempotency-Key is free again."""
        self._finisher.audit(job_id)
        self._audit.append(Event("job.erase", actor, job_id, tenant_of(self._store, job_id), why))
        request = _request(self._store, job_id)
        if request is not None and request.idempotency is not None:
            self._claims.release(request.idempotency)
        self._store.erase(job_id)

    def erase_upload(self, job_id: str, actor: Actor, why: str) -> bool:
        """Erase the uploaded slide and keep the results; False if there is none (any more), or it could not be."""
        if not self._store.has_upload(job_id):
            return False
        self._finisher.audit(job_id)
        self._audit.append(Event("slide.erase", actor, job_id, tenant_of(self._store, job_id), why))
        self._store.erase_upload(job_id)
        return not self._store.has_upload(job_id)


def _request(store: JobStore, job_id: str) -> JobRequest | None:
    """None for a record that is damaged: its job can be erased all the same."""
    try:
        return store.request(job_id)
    except RecordUnreadableError:
        return None

"""Makes Redis agree with the disk: every accepted job without outcome has an entry in a stream.

Runs at start and every ``INTERVAL_S`` in the API and in each worker, one at a time under a lock. It
also finishes what a crash interrupted: half-erased jobs, uploads and copies whose process died. It writes outcomes into
the audit log, and erases what was kept long enough.
"""

import shutil
import time

import structlog

from app.errors import DiskLowError, JobErasedError, JobNotFoundError, RecordUnreadableError
from app.jobs.finish import Finisher
from app.jobs.intake.fetched import Copies
from app.jobs.queue.queue import JobQueue
from app.jobs.upkeep.retention import Retention
from app.records.record import NOBODY
from app.records.store import REQUEST, TOMBSTONE, JobStore

INTERVAL_S = 10.0
FORGET_S = 3600.0
"""What needed no second look gets one after this: another process may have died while it erased."""
AUDIT_AT_ONCE = 500
"""Entries per turn: an old installation's jobs are written down little by little."""
log = structlog.stdlib.get_logger("xmag.reconcile")


def requeue_open_jobs(store: JobStore, queue: JobQueue) -> int:
    """Queue every open job that the streams lack; how many there were."""
    count = 0
    for job_id in store.open_ids():
        try:
            request = store.request(job_id)
            priority, holder = request.priority, request.holder
        except (JobNotFoundError, JobErasedError):  # erased since it was listed
            continue
        except RecordUnreadableError:
            priority, holder = "routine", NOBODY  # for a worker to end it
        except OSError as error:  # one folder that cannot be read keeps no other job waiting
            log.error("job.check_failed", job=job_id, reason=str(error.strerror))
            continue
        count += queue.enqueue(job_id, priority, holder)
    if count:
        log.warning("queue.refilled", jobs=count)
    return count


def clear_leftovers(store: JobStore, settled: set[str]) -> int:
    """Remove dead uploads and finish interrupted erasures; how many there were.

    ``settled``: ids that need no second look by this process; added to.
    """
    count = 0
    for job_id in store.ids_newest_first():
        if job_id in settled:
            continue
        try:
            count += _clear(store, job_id, settled)
        except OSError as error:
            log.error("job.cleanup_failed", job=job_id, reason=str(error.strerror))
    return count


def _clear(store: JobStore, job_id: str, settled: set[str]) -> bool:
    folder = store.root / job_id
    if (folder / TOMBSTONE).exists():
        is_half_erased = sum(1 for _ in folder.iterdir()) > 1
        if is_half_erased:
            store.erase(job_id)
        settled.add(job_id)
        return is_half_erased
    if (folder / REQUEST).exists():
        settled.add(job_id)
        return False
    if not store.is_abandoned(job_id):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def audit_outcomes(store: JobStore, finisher: Finisher, audited: set[str]) -> int:
    """Write into the audit log how jobs ended, where that is missing; how many there were.

    ``audited``: ids that need no second look by this process; added to.
    """
    count = 0
    for job_id in reversed(store.ids_newest_first()):
        if job_id in audited:
            continue
        try:
            is_written = finisher.audit(job_id)
            if is_written or store.needs_no_audit(job_id):  # what could not be marked is not written twice
                audited.add(job_id)
        except (JobNotFoundError, JobErasedError):  # erased since it was listed
            continue
        except OSError as error:
            log.error("outcome.not_audited", job=job_id, reason=str(error.strerror))
            continue
        count += is_written
        if count >= AUDIT_AT_ONCE:
            break
    return count


class Reconciler:
    """What is put in order now and then; ``turn`` is called by one thread (``Periodic``) of each process."""

    def __init__(
        self, store: JobStore, queue: JobQueue, finisher: Finisher, retention: Retention, copies: Copies
    ) -> None:
        self._store, self._queue = store, queue
        self._finisher, self._retention, self._copies = finisher, retention, copies
        self._settled: set[str] = set()
        self._audited: set[str] = set()
        self._forgot_at = time.monotonic()

    def turn(self) -> None:
        """One run, if no other process has just done it."""
        self._queue.redate()
        if not self._queue.lock("reconcile", INTERVAL_S * 0.9):
            return
        self._forget()
        for step in (
            self._requeue,
            self._clear_leftovers,
            self._clear_copies,
            self._audit_outcomes,
            self._retention.run,
        ):
            try:
                step()
            except DiskLowError as error:
                log.warning("upkeep.turn_unfinished", task="reconcile", code=error.code, reason=error.message)
            except OSError as error:  # the steps that follow may fare better
                log.error("upkeep.disk_unavailable", task="reconcile", reason=str(error.strerror))

    def _requeue(self) -> None:
        requeue_open_jobs(self._store, self._queue)

    def _clear_leftovers(self) -> None:
        clear_leftovers(self._store, self._settled)

    def _clear_copies(self) -> None:
        if cleared := self._copies.clear():
            log.warning("object_copies.cleared", copies=cleared)

    def _audit_outcomes(self) -> None:
        audit_outcomes(self._store, self._finisher, self._audited)

    def _forget(self) -> None:
        if time.monotonic() - self._forgot_at > FORGET_S:
            self._settled.clear()
            self._audited.clear()
            self._forgot_at = time.monotonic()

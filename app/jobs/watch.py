"""What changed among all jobs since the last look."""

from dataclasses import dataclass

from app.errors import JobErasedError, JobNotFoundError, RecordUnreadableError
from app.jobs.queue.queue import JobQueue
from app.jobs.status import JobStatus, job_status
from app.records.record import NOBODY, Holder
from app.records.store import JobStore

ENDED_WATCHED = 500
"""Of jobs that are over, so many of the newest are watched for being erased."""


@dataclass(frozen=True)
class JobChange:
    """``status`` is the job as it stands now; None once it was erased."""

    job_id: str
    holder: Holder
    status: JobStatus | None


class JobWatch:
    """``look`` again and again, from one thread at a time. A job that was over at the first look is no news."""

    def __init__(self, store: JobStore, queue: JobQueue) -> None:
        self._store, self._queue = store, queue
        self._over: dict[str, Holder] = {}
        self._gone: set[str] = set()
        self._open: dict[str, JobStatus] = {}
        self._is_first = True

    def look(self) -> list[JobChange]:
        """Changes since the last look; at the first, every job that is not over."""
        ids = self._store.ids_newest_first()
        changes = [self._change(job_id) for job_id in reversed(ids) if job_id not in self._over]
        changes += [self._erased(job_id) for job_id in ids[:ENDED_WATCHED]]
        self._is_first = False
        return [change for change in changes if change is not None]

    def unfinished(self) -> list[JobChange]:
        """Every job that was not over at the last look, for somebody who begins to follow."""
        return [JobChange(job_id, status.request.holder, status) for job_id, status in self._open.items()]

    def _change(self, job_id: str) -> JobChange | None:
        before = self._open.get(job_id)
        try:
            if self._is_first and self._store.exists(job_id) and self._store.is_over(job_id):
                self._over[job_id] = self._store.request(job_id).holder
                return None
            status = job_status(self._store, self._queue, job_id)
        except JobNotFoundError:  # an upload on its way
            return None
        except JobErasedError:
            self._open.pop(job_id, None)
            self._over[job_id] = NOBODY
            self._gone.add(job_id)
            return None if before is None else JobChange(job_id, before.request.holder, None)
        except RecordUnreadableError:
            self._over[job_id] = NOBODY
            return None
        if status.finished_at is None:
            self._open[job_id] = status
        else:
            self._open.pop(job_id, None)
            self._over[job_id] = status.request.holder
        return None if status == before else JobChange(job_id, status.request.holder, status)

    def _erased(self, job_id: str) -> JobChange | None:
        holder = self._over.get(job_id)
        if holder is None or job_id in self._gone or self._store.exists(job_id):
            return None
        self._gone.add(job_id)
        return JobChange(job_id, holder, None)

"""Makes Redis agree with the disk: every accepted job without outcome stands in a stream.

Runs at start and every ``INTERVAL_S`` in the API and in each worker, one at a time under a lock. Also
finishes what a crash interrupted: half-erased jobs, and uploads whose process died.
"""

import fcntl
import shutil
import threading
import time
from pathlib import Path

import structlog

from app.errors import JobErasedError, JobNotFoundError, QueueUnavailableError
from app.jobs.queue import JobQueue
from app.jobs.store import REQUEST, TOMBSTONE, JobStore

INTERVAL_S = 10.0
UPLOAD_LOCK = ".uploading"
log = structlog.stdlib.get_logger("xmag.reconcile")


def requeue_open_jobs(store: JobStore, queue: JobQueue) -> int:
    """Queue every open job that the streams lack; how many there were."""
    count = 0
    for job_id in store.open_ids():
        try:
            count += queue.enqueue(job_id, store.request(job_id).priority)
        except (JobNotFoundError, JobErasedError):  # erased since it was listed
            continue
    if count:
        log.warning("jobs queued from disk", jobs=count)
    return count


def clear_leftovers(store: JobStore) -> int:
    """Remove dead uploads and finish interrupted erasures; how many there were."""
    count = 0
    for job_id in store.ids_newest_first():
        folder = store.root / job_id
        if (folder / TOMBSTONE).exists():
            if sum(1 for _ in folder.iterdir()) > 1:
                store.erase(job_id)
                count += 1
        elif not (folder / REQUEST).exists() and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count


def _is_abandoned(folder: Path) -> bool:
    """Whether nobody holds the upload's lock. A folder without lock file died before it could make one."""
    try:
        with (folder / UPLOAD_LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return folder.exists() and _age_s(folder) > INTERVAL_S
    except BlockingIOError:
        return False
    return not (folder / REQUEST).exists()


def _age_s(folder: Path) -> float:
    return time.time() - folder.stat().st_mtime


class Reconciler(threading.Thread):
    """The periodic run, as a daemon thread."""

    def __init__(self, store: JobStore, queue: JobQueue) -> None:
        super().__init__(name="reconciler", daemon=True)
        self._store, self._queue, self._stop_now = store, queue, threading.Event()

    def run(self) -> None:
        """Until stopped; a Redis that does not answer is tried again at the next turn."""
        while True:
            try:
                if self._queue.lock("reconcile", INTERVAL_S * 0.9):
                    requeue_open_jobs(self._store, self._queue)
                    clear_leftovers(self._store)
            except QueueUnavailableError as error:
                log.warning("queue unavailable", reason=error.message)
            except OSError as error:
                log.error("disk unavailable", reason=str(error.strerror))
            if self._stop_now.wait(INTERVAL_S):
                return

    def stop(self) -> None:
        """End after the turn in progress."""
        self._stop_now.set()
        self.join(timeout=5)

"""Erases uploads and jobs that were kept for as long as the settings say, counted from the job's end."""

import errno
import time

import structlog

from app.access.audit import SERVICE
from app.errors import JobErasedError, JobNotFoundError, RecordUnreadableError, XmagError
from app.jobs.intake.uploads import UploadStore
from app.jobs.upkeep.erase import Eraser
from app.records.store import JobStore
from app.settings import Settings
from app.system.clock import DAY_S, ClockWatch, since_boot_s

log = structlog.stdlib.get_logger("xmag.retention")
REST_S = 3600.0
"""Seconds until a failed removal is tried again: the audit log has an entry for each try."""


class Retention:
    """``run`` it now and then. Cheap to repeat: each job's end is read once."""

    def __init__(self, settings: Settings, store: JobStore, uploads: UploadStore, eraser: Eraser) -> None:
        self._slides_days, self._results_days = settings.slides_keep_days, settings.results_keep_days
        self._store, self._uploads, self._eraser = store, uploads, eraser
        self._clock = ClockWatch(settings.data_dir)
        self._ended_s: dict[str, float] = {}
        self._without_upload: set[str] = set()
        self._gone: set[str] = set()
        self._rests_until_s: dict[str, float] = {}

    def run(self) -> int:
        """Erase what is due, uploads that nobody goes on with too; how many jobs that concerned."""
        if not self._clock.is_steady():
            return 0
        if cleared := self._uploads.clear():
            log.info("uploads.erased", reason="abandoned", uploads=cleared)
        if self._slides_days is None and self._results_days is None:
            return 0
        return sum(self._look(job_id) for job_id in self._store.ids_newest_first() if job_id not in self._gone)

    def _look(self, job_id: str) -> bool:
        if since_boot_s() < self._rests_until_s.get(job_id, 0.0):
            return False
        try:
            return self._erase_if_due(job_id)
        except JobErasedError:
            self._gone.add(job_id)
            self._ended_s.pop(job_id, None)
        except JobNotFoundError:
            pass  # an upload on its way
        except XmagError as error:
            log.error("job.not_erased", job=job_id, reason=error.code)
        except OSError as error:
            log.error("job.not_erased", job=job_id, reason=str(error.strerror))
            self._rests_until_s[job_id] = since_boot_s() + REST_S
        return False

    def _erase_if_due(self, job_id: str) -> bool:
        ended_s = self._ended_s.get(job_id) or self._end_of(job_id)
        if ended_s is None:
            return False
        self._ended_s[job_id] = ended_s
        age_days = (time.time() - ended_s) / DAY_S
        if self._results_days is not None and age_days >= self._results_days:
            self._eraser.erase(job_id, SERVICE, f"kept for {self._results_days:g} days")
            log.info("job.erased", job=job_id, reason="expired")
            return True
        if self._slides_days is None or age_days < self._slides_days or job_id in self._without_upload:
            return False
        is_erased = self._eraser.erase_upload(job_id, SERVICE, f"kept for {self._slides_days:g} days")
        if self._store.has_upload(job_id):
            raise OSError(errno.EIO, "some of it cannot be removed")
        self._without_upload.add(job_id)
        if is_erased:
            log.info("upload.erased", job=job_id, reason="expired")
        return is_erased

    def _end_of(self, job_id: str) -> float | None:
        """When the job ended, in seconds since 1970; None while it has not, or is gone."""
        self._store.check_exists(job_id)
        try:
            outcome = self._store.outcome(job_id)
        except RecordUnreadableError:
            return self._store.outcome_written_s(job_id)  # a damaged record is no reason to keep a slide for ever
        return None if outcome is None else outcome.finished_at.timestamp()

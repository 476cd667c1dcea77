"""A job's folder while its slide is still coming in: locked by this process, gone unless it is kept."""

import fcntl
import shutil
from pathlib import Path
from types import TracebackType

from app.jobs.ids import new_job_id
from app.jobs.reconcile import UPLOAD_LOCK
from app.jobs.store import SLIDE, JobStore


class UploadFolder:
    """Context manager: a new id with its folder; without ``keep()`` everything is removed at the end.

    The lock ends with the process, so that what a crash leaves is recognised and cleared (reconcile.py).
    """

    def __init__(self, store: JobStore) -> None:
        self.job_id = new_job_id()
        self.folder = store.root / self.job_id
        self.slide_folder = self.folder / SLIDE
        self.folder.mkdir(mode=0o700)
        self._lock = (self.folder / UPLOAD_LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.slide_folder.mkdir(mode=0o700)
        self._kept = False

    def keep(self) -> None:
        """The job was accepted: leave the folder."""
        self._kept = True

    def __enter__(self) -> "UploadFolder":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._kept:
            Path(self._lock.name).unlink(missing_ok=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

"""A job's folder while its slide is still coming in: locked by this process, gone unless the job was accepted."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from app.records.ids import new_job_id
from app.records.store import REQUEST, SLIDE, UPLOAD_LOCK, JobStore
from app.system.durable import take_lock


class UploadFolder:
    """A new id with its folder. ``close`` it in the end: without a request it and everything in it is removed.

    The lock ends with the process, so that what a crash leaves is recognised and cleared (``JobStore.is_abandoned``).
    Raises OSError, and then nothing was made.
    """

    def __init__(self, store: JobStore) -> None:
        self.job_id = new_job_id()
        self.folder = store.root / self.job_id
        self.slide_folder = self.folder / SLIDE
        with ExitStack() as undo:
            self.folder.mkdir(mode=0o700)
            undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._lock = undo.enter_context((self.folder / UPLOAD_LOCK).open("wb"))
            take_lock(self._lock)
            self.slide_folder.mkdir(mode=0o700)
            undo.pop_all()

    def close(self) -> None:
        """Keep an accepted job, remove anything else."""
        if (self.folder / REQUEST).exists():
            Path(self._lock.name).unlink(missing_ok=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

"""Keeps one job's lease while it runs, and stops the work when it is no longer wanted.

A thread beside the analysis renews the lease, writes progress, and looks for reasons to stop. It stops the
work by killing the reader process, so that even a hung decoder ends, and by a flag that the analysis reads.
"""

import enum
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from types import TracebackType

import structlog

from app.errors import CancelledError, DeadlineExceededError, QueueUnavailableError
from app.jobs.worker.context import Shared
from app.jobs.worker.in_hand import Held
from app.records.record import JobError, Outcome, now
from app.slides.sandbox.reader import SlideReader

log = structlog.stdlib.get_logger("xmag.worker")
TURN_S = 0.25
STUCK_S = 5.0
EXIT_STUCK = 75


class Stop(enum.Enum):
    """Why the work was stopped."""

    CANCELLED = "cancelled"
    LOST = "lost"
    DEADLINE = "deadline"
    HANDED_BACK = "handed_back"


class Keeper:
    """Context manager around one attempt. ``stopped`` tells afterwards whether and why it was cut short."""

    def __init__(self, shared: Shared, held: Held) -> None:
        self._settings, self._store, self._queue = shared.settings, shared.store, shared.queue
        self._finish = shared.finisher.finish
        self._lease, self._worker, self._attempt = held.lease, held.worker, held.attempt
        self._must_stop, self._in_hand, self._held = shared.must_stop, shared.in_hand, held
        self.stopped: Stop | None = None
        self._stopped_at: float | None = None
        self._clock, self._began, self._renew_at = shared.clock, shared.clock(), 0.0
        self._over = threading.Event()
        self._reader: SlideReader | None = None
        self._fields: dict[str, str | int] = {"state": "running", "attempt": held.attempt.number, "worker": held.worker}
        self._sent: dict[str, str | int] = {}
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="keeper", daemon=True)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(timeout=STUCK_S)

    @contextmanager
    def aborting(self, reader: SlideReader) -> Iterator[None]:
        """While inside, stopping the work kills ``reader``."""
        self._reader = reader
        try:
            if self.stopped is not None:
                reader.close()
            yield
        finally:
            self._reader = None

    def progress(self, stage: str, done: int, total: int) -> None:
        """Note how far the work is. Raises CancelledError when it is to stop."""
        self._fields = {**self._fields, "stage": stage, "done": done, "total": total}
        if self.stopped is not None:
            raise CancelledError(f"The work was stopped: {self.stopped.value}.")

    def _run(self) -> None:
        self.turn()
        while not self._over.wait(TURN_S):
            self.turn()

    def turn(self) -> None:
        """Renew the lease when it is time, report progress, and stop the work where there is a reason."""
        moment = self._clock()
        if moment >= self._renew_at:
            self._renew()
            self._renew_at = moment + self._settings.lease_s / 3
        self._report()
        if self.stopped is None and self._is_over():
            self._stop(Stop.CANCELLED)
        if self.stopped is None and moment - self._began > self._settings.job_deadline_s:
            self._end_at_deadline()
        if self.stopped is None and self._must_stop():
            self._stop(Stop.HANDED_BACK)
        if self._stopped_at is not None and moment - self._stopped_at > STUCK_S:
            self._end_process()

    def _is_over(self) -> bool:
        try:
            return self._store.is_over(self._lease.job_id)
        except OSError as error:  # a share that hiccups: the next look may succeed, and the lease is still renewed
            log.warning("job.folder_unreadable", reason=str(error.strerror))
            return False

    def _renew(self) -> None:
        try:
            if self._queue.renew(self._lease, self._worker) is False and self.stopped is None:
                self._stop(Stop.LOST)
        except QueueUnavailableError as error:
            # The work goes on: the outcome is decided on disk, even if another worker takes the job.
            log.warning("queue.unavailable", during="renew", reason=error.message)

    def _report(self) -> None:
        fields = self._fields
        if fields == self._sent:
            return
        try:
            self._queue.report(self._lease, fields)
            self._sent = fields
        except QueueUnavailableError as error:
            log.warning("queue.unavailable", during="progress", reason=error.message)

    def _stop(self, why: Stop) -> None:
        log.info("job.stopping", reason=why.value)
        self.stopped, self._stopped_at = why, self._clock()
        reader = self._reader
        if reader is not None:
            reader.close()

    def _end_at_deadline(self) -> None:
        """Write the outcome at once and stop the work."""
        limit = self._settings.job_deadline_s
        error = DeadlineExceededError(f"The analysis took longer than {limit:g} s (XMAG_JOB_DEADLINE_S) and was ended.")
        outcome = Outcome(
            state="failed",
            error=JobError.of(error),
            attempt=self._attempt.number,
            started_at=self._attempt.started_at,
            finished_at=now(),
        )
        try:
            self._finish(self._lease.job_id, outcome)
        except OSError as trouble:
            log.error("outcome.not_written", reason=str(trouble))
        self._stop(Stop.DEADLINE)

    def _end_process(self) -> None:
        """The work was told to stop and does not: only ending the process is left. Its lease then lapses."""
        log.error("job.stuck", reason=self.stopped.value if self.stopped else None)
        try:
            self._in_hand.hand_back_all(besides=self._held)
            if self.stopped in {Stop.HANDED_BACK, Stop.LOST}:
                self._in_hand.hand_back(self._held)
        finally:
            os._exit(EXIT_STUCK)

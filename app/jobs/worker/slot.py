"""One of a worker's slots: leases a job, analyses the slide, writes one outcome, and so on until told to stop."""

import os
import secrets
import socket
from collections.abc import Callable

import structlog

from app.analysis.pipeline import Means
from app.errors import (
    AttemptsExhaustedError,
    DiskLowError,
    InferenceFailedError,
    InternalError,
    JobErasedError,
    JobNotFoundError,
    ModelError,
    QueueUnavailableError,
    RecordUnreadableError,
    XmagError,
)
from app.jobs.queue.counters import count_attempt, count_batches, count_wait, count_work
from app.jobs.queue.queue import Guest, Lease
from app.jobs.worker.attempt import run_attempt
from app.jobs.worker.context import Shared
from app.jobs.worker.in_hand import Held
from app.jobs.worker.lease_keeper import Keeper, Stop
from app.records.record import JobError, JobRequest, Outcome, now
from app.records.store import Attempt
from app.results.cautions import all_validated, warning_codes
from app.results.files.write import read_document
from app.results.schema import ResultDocument
from app.system.disk import has_room
from app.system.durable import DISK_FULL

log = structlog.stdlib.get_logger("xmag.worker")
TAKE_WAIT_S = 0.5
TURN_SLACK_S = 60.0
PAUSE_S = 2.0
_DISK_LOW = "The server's disk is full. The job waits until there is space."


class ModelBrokenError(ModelError):
    """The loaded model failed its own proof: only a new process may help."""

    code = "model_broken"


def new_name() -> str:
    """A name that no other worker or slot has: host, process id, and chance."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Slot:
    """One job at a time. ``name`` identifies the slot's leases: a job never has two holders of one name.

    ``guest``: an extra slot, for a tenant (or a holder) without a running job while all other slots are taken.
    """

    def __init__(self, shared: Shared, guest: Guest | None = None) -> None:
        self.name, self._guest = new_name(), guest
        self._shared, self._settings, self._store, self._queue = shared, shared.settings, shared.store, shared.queue
        self._stopping, self._clock = shared.stopping, shared.clock
        self._turned_at = self._clock()

    def run(self) -> None:
        """Until the worker stops. ModelBrokenError ends it before that."""
        while not self._stopping.is_set():
            self.turn()

    @property
    def is_turning(self) -> bool:
        """Whether the loop goes round; a job that hangs is ended by its Keeper, so that longer than one is stuck."""
        return self._clock() - self._turned_at < self._settings.job_deadline_s + TURN_SLACK_S

    def turn(self) -> None:
        """Take a job and work on it until it is over; where there is none, wait a little."""
        self._turned_at = self._clock()
        if not has_room(self._settings.data_dir, 0, keep_free_bytes=self._settings.disk_free_min_bytes):
            log.error("disk.low")
            self._stopping.wait(PAUSE_S)
            return
        if not self._shared.in_hand.is_open or (self._guest and not self._shared.is_full):
            self._stopping.wait(TAKE_WAIT_S)
            return
        try:
            lease = self._queue.take(self.name, TAKE_WAIT_S, self._guest)
            if lease is not None and self._stopping.is_set():
                self._queue.hand_back(lease)
                return
        except QueueUnavailableError as error:
            log.warning("queue.unavailable", during="take", reason=error.message)
            self._stopping.wait(1.0)
            return
        if lease is None:
            return
        with structlog.contextvars.bound_contextvars(job=lease.job_id, request=None):
            try:
                self._process(lease)
            except ModelBrokenError:
                raise
            except Exception:
                # Nothing that one job does may end the work on the others; its lease lapses, and it is tried again.
                log.exception("slot.turn_failed")
                self._stopping.wait(1.0)

    def _process(self, lease: Lease) -> None:
        if self._store.is_over(lease.job_id):
            self._release(lease)
            return
        try:
            request = self._store.request(lease.job_id)
        except (JobErasedError, JobNotFoundError):
            self._release(lease)
            return
        except RecordUnreadableError as unreadable:
            self._end(lease, unreadable, attempt=0)
            return
        before = self._store.attempts(lease.job_id)
        if before.counted >= self._settings.attempts_max:
            self._give_up(lease, before.counted)
            return
        structlog.contextvars.bind_contextvars(request=request.request_id)
        try:
            with self._shared.in_hand.place(
                alone=before.lost > 0, waiting=lambda: self._wait_on(lease), every_s=self._settings.lease_s / 3
            ):
                if self._store.is_over(lease.job_id):  # the wait may have been long
                    self._release(lease)
                else:
                    self._attempt(lease, request, before.counted)
        except _NotBegunError:
            log.info("job.released_before_start")

    def _wait_on(self, lease: Lease) -> None:
        """Keep the lease of a job that is not begun yet. _NotBegunError once there is no use in it."""
        self._turned_at = self._clock()
        try:
            if self._stopping.is_set():
                self._queue.hand_back(lease)
            elif self._store.is_over(lease.job_id):
                self._queue.done(lease)
            elif self._queue.renew(lease, self.name):
                return
        except QueueUnavailableError as error:
            log.warning("queue.unavailable", during="renew", reason=error.message)
        raise _NotBegunError

    def _attempt(self, lease: Lease, request: JobRequest, counted: int) -> None:
        self._turned_at = self._clock()
        attempt = self._store.begin_attempt(lease.job_id, self.name)
        log.info("attempt.started", attempt=attempt.number)
        waited_s = max(0.0, (attempt.started_at - request.created_at).total_seconds())  # clocks of two machines differ
        self._quietly(lambda: count_attempt(self._queue.redis, is_repeated=counted > 0), "counters")
        if attempt.number == 1:
            self._quietly(lambda: count_wait(self._queue.redis, request.priority, waited_s), "counters")
        held = Held(lease, self.name, attempt)
        with self._shared.in_hand.holding(held):
            with Keeper(self._shared, held) as keeper:
                error = self._try(request, attempt, keeper)
            self._conclude(held, keeper, error)

    def _try(self, request: JobRequest, attempt: Attempt, keeper: Keeper) -> XmagError | None:
        try:
            model = self._shared.model(request.model)
            with self._shared.readers.lease() as reader, keeper.aborting(reader):
                means = Means(model.manifest, lambda: model, reader, self._shared.device)
                run_attempt(request, self._shared, attempt, means, keeper.progress)
        except XmagError as error:
            return error
        except OSError as error:
            if error.errno in DISK_FULL:
                return DiskLowError(_DISK_LOW)
            log.exception("job.io_failed")
            return InternalError("Reading or writing failed on our side. The log has more.")
        except Exception:
            # The one place where any error is caught: the job is tried again, or fails with this code.
            log.exception("job.failed_unexpectedly")
            return InternalError("Something went wrong on our side while the slide was analysed. The log has more.")
        return None

    def _conclude(self, held: Held, keeper: Keeper, error: XmagError | None) -> None:
        """Write the outcome and let the entry go, unless the job is no longer ours or is to be tried again."""
        lease, attempt, stopped = held.lease, held.attempt, keeper.stopped
        if self._store.is_over(lease.job_id):  # cancelled, past its deadline, erased, or done by another worker
            self._drop(attempt)
            error = None
        elif error is None:
            error = self._succeed(lease.job_id, attempt)  # whatever else happened: the first outcome counts
        if error is None:
            if stopped is not Stop.LOST:
                self._release(lease)
            return
        if stopped in {Stop.HANDED_BACK, Stop.LOST} or isinstance(error, DiskLowError):
            # It was not the slide's doing: the attempt does not count.
            log.warning("attempt.stopped", attempt=attempt.number, reason=stopped.value if stopped else error.code)
            self._store.discard(attempt)  # first of all: it may be what fills the disk
            self._shared.in_hand.hand_back(held)
            if stopped is not Stop.LOST:
                self._quietly(lambda: self._queue.hand_back(lease), "requeue")
            if isinstance(error, DiskLowError):
                self._stopping.wait(PAUSE_S)
            return
        if stopped is None and isinstance(error, InferenceFailedError):
            self._prove_model(held, error)
        self._shared.in_hand.count_in(held)
        if stopped is None:
            if error.retryable and self._may_retry(lease.job_id):
                log.warning("attempt.failed", attempt=attempt.number, code=error.code)
                self._store.note_failure(lease.job_id, attempt.number, error.code)
                self._store.discard(attempt)
                return  # the lease is left to lapse: the pause before the next attempt
            self._finish(lease.job_id, attempt, error)
        else:  # past its deadline, and that could not be written: the upkeep queues the job anew
            self._store.discard(attempt)
        self._release(lease)

    def _succeed(self, job_id: str, attempt: Attempt) -> DiskLowError | None:
        """Write the outcome; the error where the results found room and it did not."""
        try:
            self._finish(job_id, attempt, None)
        except OSError as error:
            if error.errno not in DISK_FULL or self._store.is_over(job_id):
                raise
            return DiskLowError(_DISK_LOW)
        return None

    def _prove_model(self, held: Held, error: InferenceFailedError) -> None:
        """After a failure of the model: if it fails without a slide too, the machine is sick, not the job."""
        try:
            self._shared.check_models()
        except ModelError as broken:
            self._shared.in_hand.hand_back(held)
            self._quietly(lambda: self._queue.hand_back(held.lease), "requeue")
            log.error("model.self_test_failed", reason=broken.message)
            raise ModelBrokenError(broken.message) from error

    def _may_retry(self, job_id: str) -> bool:
        return self._store.attempts(job_id).counted < self._settings.attempts_max

    def _finish(self, job_id: str, attempt: Attempt, error: XmagError | None) -> None:
        document = read_document(attempt.folder) if error is None else None
        has_files = attempt.folder.is_dir() and any(attempt.folder.iterdir())  # gone if the job was erased
        outcome = Outcome(
            state="succeeded" if error is None else "failed",
            folder=attempt.folder.name if has_files else None,
            error=None if error is None else JobError.of(error),
            attempt=attempt.number,
            started_at=attempt.started_at,
            finished_at=now(),
            warnings=() if document is None else warning_codes(document),
            validated=None if document is None else all_validated(document),
            dicom=None if document is None else document.dicom,
        )
        if self._shared.finisher.finish(job_id, outcome):
            self._quietly(lambda: self._count(document), "counters")
        else:
            self._drop(attempt)

    def _drop(self, attempt: Attempt) -> None:
        log.info("outcome.already_written", attempt=attempt.number)
        self._store.discard(attempt)

    def _count(self, document: ResultDocument | None) -> None:
        if document is not None:
            count_work(self._queue.redis, document.timings_s, document.tiling.tissue_tiles)
        filled = self._shared.device.filled()
        count_batches(self._queue.redis, filled.tiles, filled.room, filled.splits)

    def _give_up(self, lease: Lease, attempts: int) -> None:
        error = AttemptsExhaustedError(
            f"The job was tried {attempts} times and each attempt ended without a result (the process died or was "
            "stopped). The slide may be damaged; the service's log says more."
        )
        self._end(lease, error, attempt=attempts)

    def _end(self, lease: Lease, error: XmagError, attempt: int) -> None:
        """Fail a job without another attempt."""
        last = self._store.attempts(lease.job_id).last_started_at
        outcome = Outcome(state="failed", error=JobError.of(error), attempt=attempt, started_at=last, finished_at=now())
        if self._shared.finisher.finish(lease.job_id, outcome):
            log.error("job.given_up", attempts=attempt, code=error.code)
        self._release(lease)

    def _release(self, lease: Lease) -> None:
        self._quietly(lambda: self._queue.done(lease), "release")

    @staticmethod
    def _quietly(call: Callable[[], None], what: str) -> None:
        """Redis may be down now: the outcome is on disk, and the entry goes at its next turn."""
        try:
            call()
        except QueueUnavailableError as error:
            log.warning("queue.unavailable", during=what, reason=error.message)


class _NotBegunError(Exception):
    """A leased job was let go before an attempt at it began."""

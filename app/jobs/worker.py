"""The worker: leases a job, analyses the slide, writes one outcome. One model, loaded and warm; one job at a time."""

import errno
import math
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable

import structlog

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
from app.heartbeat import Heartbeat
from app.inference.model import Model, load_model
from app.inference.registry import ModelRegistry
from app.jobs.keeper import Held, Keeper, Stop
from app.jobs.presence import WorkerPresence, announce, withdraw
from app.jobs.queue import JobQueue, Lease
from app.jobs.record import JobError, JobRequest, Outcome, now
from app.jobs.run import run_attempt
from app.jobs.store import Attempt, JobStore
from app.jobs.tally import count_attempt, count_outcome, count_wait, count_work
from app.results.write import read_document
from app.settings import Settings
from app.slides.pool import ReaderPool
from app.slides.reader import ReaderLimits

log = structlog.stdlib.get_logger("xmag.worker")
TAKE_WAIT_S = 0.5
TURN_SLACK_S = 60.0
PAUSE_S = 2.0


class ModelBrokenError(ModelError):
    """The loaded model failed its own proof: only a new process may help."""

    code = "model_broken"


class Worker:
    """Runs until ``stop`` is called (or the process gets SIGTERM, see app.cli)."""

    def __init__(self, settings: Settings, store: JobStore, queue: JobQueue) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._settings, self._store, self._queue = settings, store, queue
        self._stopping = threading.Event()
        self._asked_at: float | None = None
        self._turned_at = time.monotonic()
        self._registry = ModelRegistry(settings.models_dir)
        self._models: dict[str, Model] = {}
        # A reader that a hostile slide took over must not see the next one.
        self._readers = ReaderPool(
            size=1,
            recycle_after=1,
            limits=ReaderLimits(memory_bytes=settings.reader_memory_bytes, cpu_s=settings.reader_cpu_s),
        )

    def stop(self) -> None:
        """Take no new job; the one in hand has ``drain_s`` to finish before it is handed back."""
        self._asked_at = self._asked_at or time.monotonic()
        self._stopping.set()

    def hurry(self) -> None:
        """Hand the job in hand back now."""
        self._asked_at = -math.inf
        self._stopping.set()

    def run(self) -> None:
        """Load the default model, then work until stopped. Raises what makes the set-up unusable."""
        default = self._registry.default(self._settings.model)
        model = self._model(default)
        presence = WorkerPresence(
            self.name, default, model.manifest.version, precision=model.precision, provider=model.provider
        )
        heartbeat = Heartbeat(self._settings.heartbeat_dir, self.name) if self._settings.heartbeat_dir else None
        beat = threading.Thread(target=self._announce, args=(presence, heartbeat), name="presence", daemon=True)
        beat.start()
        log.info("worker ready", worker=self.name, model=default, provider=model.provider, precision=model.precision)
        try:
            while not self._stopping.is_set():
                self._turned_at = time.monotonic()
                self._turn()
        finally:
            self._readers.close()
            self._stopping.set()
            beat.join()
            if heartbeat is not None:
                heartbeat.end()
            try:
                withdraw(self._queue, self.name)
            except QueueUnavailableError:
                log.warning("queue unavailable", during="withdraw")
        log.info("worker ended", worker=self.name)

    def _model(self, name: str) -> Model:
        if name not in self._models:
            settings = self._settings
            self._models[name] = load_model(
                self._registry.folder(name),
                device=settings.device,
                precision=settings.precision,
                threads=settings.threads,
            )
            self._models[name].warm_up()
        return self._models[name]

    def _announce(self, presence: WorkerPresence, heartbeat: Heartbeat | None) -> None:
        valid_s = max(self._settings.lease_s, 3.0)
        while not self._stopping.is_set():
            try:
                if self._is_turning():
                    announce(self._queue, presence, valid_s)
                    if heartbeat is not None:  # only now: a worker without a queue is not well
                        heartbeat.beat(valid_s)
            except QueueUnavailableError as error:
                log.warning("queue unavailable", reason=error.message)
            except OSError as error:
                log.warning("no sign of life can be left", reason=error.strerror)
            self._stopping.wait(max(self._settings.lease_s / 3, 0.5))

    def _is_turning(self) -> bool:
        """Whether the loop goes round; a job that hangs is ended by its Keeper, so that longer than one is stuck."""
        return time.monotonic() - self._turned_at < self._settings.job_deadline_s + TURN_SLACK_S

    def _must_stop(self) -> bool:
        return self._asked_at is not None and time.monotonic() - self._asked_at > self._settings.drain_s

    def _turn(self) -> None:
        if shutil.disk_usage(self._settings.data_dir).free < self._settings.disk_free_min_bytes:
            log.error("disk low: no job is taken")
            self._stopping.wait(PAUSE_S)
            return
        try:
            lease = self._queue.take(self.name, TAKE_WAIT_S)
        except QueueUnavailableError as error:
            log.warning("queue unavailable", reason=error.message)
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
                log.exception("unforeseen error outside the analysis")
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
        counted = self._store.attempts(lease.job_id).counted
        if counted >= self._settings.attempts_max:
            self._give_up(lease, counted)
            return
        structlog.contextvars.bind_contextvars(request=request.request_id)
        attempt = self._store.begin_attempt(lease.job_id, self.name)
        log.info("attempt begins", attempt=attempt.number)
        waited_s = max(0.0, (attempt.started_at - request.created_at).total_seconds())  # clocks of two machines differ
        self._quietly(lambda: count_attempt(self._queue, is_repeated=counted > 0), "tally")
        if attempt.number == 1:
            self._quietly(lambda: count_wait(self._queue, request.priority, waited_s), "tally")
        held = Held(lease, self.name, attempt)
        with Keeper(self._settings, self._store, self._queue, held, self._must_stop) as keeper:
            error = self._try(request, attempt, keeper)
        self._conclude(lease, attempt, keeper, error)

    def _try(self, request: JobRequest, attempt: Attempt, keeper: Keeper) -> XmagError | None:
        try:
            model = self._model(request.model)
            model.embedder.take_slots()  # from here on it is this job's
            with self._readers.lease() as reader, keeper.aborting(reader):
                run_attempt(request, self._store, attempt, model=model, reader=reader, progress=keeper.progress)
        except XmagError as error:
            return error
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                return DiskLowError("The server's disk is full. The job waits until there is space.")
            log.exception("unforeseen error")
            return InternalError("Reading or writing failed on our side. The log has more.")
        except Exception:
            # The one place where anything unforeseen is caught: the job is tried again, or fails with this code.
            log.exception("unforeseen error")
            return InternalError("Something went wrong on our side while the slide was analysed. The log has more.")
        return None

    def _conclude(self, lease: Lease, attempt: Attempt, keeper: Keeper, error: XmagError | None) -> None:
        """Write the outcome and let the entry go, unless the job is no longer ours or is to be tried again."""
        stopped = keeper.stopped
        if error is None:
            self._finish(lease.job_id, attempt, None)  # whatever else happened: the first outcome counts
        elif stopped in {Stop.HANDED_BACK, Stop.LOST} or isinstance(error, DiskLowError):
            # It was not the slide's doing: the attempt does not count.
            log.warning("given back", attempt=attempt.number, reason=stopped.value if stopped else error.code)
            self._store.hand_back(lease.job_id, attempt.number)
            if stopped is not Stop.LOST:
                self._quietly(lambda: self._queue.hand_back(lease), "hand_back")
            if isinstance(error, DiskLowError):
                self._stopping.wait(PAUSE_S)
            return
        elif stopped is None and isinstance(error, InferenceFailedError):
            self._prove_model(lease, attempt, error)
        if stopped is Stop.LOST:
            return
        if error is not None and stopped is None:
            if error.retryable and self._may_retry(lease.job_id):
                log.warning("attempt failed, will be tried again", attempt=attempt.number, code=error.code)
                return  # the lease is left to lapse: the pause before the next attempt
            self._finish(lease.job_id, attempt, error)
        self._release(lease)

    def _prove_model(self, lease: Lease, attempt: Attempt, error: InferenceFailedError) -> None:
        """After a failure of the model: if it fails without a slide too, the machine is sick, not the job."""
        try:
            for model in self._models.values():
                model.check()
        except ModelError as broken:
            self._store.hand_back(lease.job_id, attempt.number)
            self._quietly(lambda: self._queue.hand_back(lease), "hand_back")
            log.error("the model no longer computes rightly: ending the process", reason=broken.message)
            raise ModelBrokenError(broken.message) from error

    def _may_retry(self, job_id: str) -> bool:
        return self._store.attempts(job_id).counted < self._settings.attempts_max

    def _finish(self, job_id: str, attempt: Attempt, error: XmagError | None) -> None:
        has_files = attempt.folder.is_dir() and any(attempt.folder.iterdir())  # gone if the job was erased meanwhile
        outcome = Outcome(
            state="succeeded" if error is None else "failed",
            folder=attempt.folder.name if has_files else None,
            error=None if error is None else JobError.of(error),
            attempt=attempt.number,
            started_at=attempt.started_at,
            finished_at=now(),
        )
        if self._store.finish(job_id, outcome):
            log.info("job over", state=outcome.state, code=error.code if error else None, attempt=attempt.number)
            self._quietly(lambda: self._count(outcome, attempt), "tally")
        else:
            log.info("another outcome came first", attempt=attempt.number)

    def _count(self, outcome: Outcome, attempt: Attempt) -> None:
        count_outcome(self._queue, outcome.state, outcome.error.code if outcome.error else None)
        if outcome.state == "succeeded":
            document = read_document(attempt.folder)
            slots = sum(model.embedder.take_slots() for model in self._models.values())
            count_work(self._queue, document.timings_s, document.tiling.tissue_tiles, slots)

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
        if self._store.finish(lease.job_id, outcome):
            log.error("job given up", attempts=attempt, code=error.code)
            self._quietly(lambda: self._queue.bury(lease.job_id, error.code), "bury")
            self._quietly(lambda: count_outcome(self._queue, "failed", error.code), "tally")
        self._release(lease)

    def _release(self, lease: Lease) -> None:
        self._quietly(lambda: self._queue.done(lease), "done")

    @staticmethod
    def _quietly(call: Callable[[], None], what: str) -> None:
        """Redis may be down now: the outcome is on disk, and the entry goes at its next turn."""
        try:
            call()
        except QueueUnavailableError as error:
            log.warning("queue unavailable", during=what, reason=error.message)

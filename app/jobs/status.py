"""A job as it stands now: request and outcome from disk, progress in between from Redis."""

from dataclasses import dataclass, field
from datetime import datetime

from app.errors import QueueUnavailableError
from app.jobs.queue.queue import JobQueue
from app.records.record import JobError, JobRequest, ObjectSource, State, dicom_of
from app.records.store import JobStore
from app.slides.identity import DicomIdentity
from app.stated import Stated

# Share of a job's time that lies before each stage, and the stage's own: tiles are nearly all of it.
_SHARES = {"open": (0.0, 0.02), "survey": (0.02, 0.08), "tiles": (0.10, 0.80), "aggregate": (0.9, 0.02)}
_WRITE = (0.92, 0.08)
_FETCH = 0.3
"""Share of fetching, where the slide lies in an object store; the other stages share the rest."""


@dataclass(frozen=True)
class JobProgress:
    """``stage`` is one of fetch, open, survey, tiles, aggregate, write; ``fraction`` 0 to 1 is of the whole job."""

    stage: str
    done: int
    total: int
    fraction: float


@dataclass(frozen=True)
class JobStatus:
    """All that is known of a job."""

    request: JobRequest
    state: State
    progress: JobProgress | None
    attempt: int
    error: JobError | None
    started_at: datetime | None
    finished_at: datetime | None
    folder: str | None
    warnings: tuple[str, ...] = ()
    validated: bool | None = None
    dicom: DicomIdentity | None = field(kw_only=True)

    @property
    def stated(self) -> Stated:
        """What was stated of the slide, with the names in its header where the sender gave none."""
        return self.request.named(self.dicom)


def job_status(store: JobStore, queue: JobQueue, job_id: str) -> JobStatus:
    """The job now. JobNotFoundError, JobErasedError. Without Redis the state is known, the progress is not."""
    request = store.request(job_id)
    outcome = store.outcome(job_id)
    if outcome is not None:
        return JobStatus(
            request,
            outcome.state,
            None,
            outcome.attempt,
            outcome.error,
            outcome.started_at,
            outcome.finished_at,
            outcome.folder,
            outcome.warnings,
            outcome.validated,
            dicom=dicom_of(request, outcome),
        )
    attempts = store.attempts(job_id)
    try:
        found = queue.progress(job_id)
        state: State = "running" if found.get("state") == "running" else "queued"
        progress = _progress(found, isinstance(request.source, ObjectSource))
    except QueueUnavailableError:
        state, progress = ("running" if attempts.counted else "queued"), None
    return JobStatus(
        request,
        state,
        progress,
        attempts.counted,
        None,
        attempts.last_started_at,
        None,
        None,
        dicom=dicom_of(request, None),
    )


def _progress(found: dict[str, str], is_fetched: bool) -> JobProgress | None:
    if "stage" not in found:
        return None
    stage, done, total = found["stage"], int(found["done"]), int(found["total"])
    part = done / total if total else 0.0
    if stage == "fetch":
        return JobProgress(stage, done, total, round(_FETCH * part, 4))
    before, own = _SHARES.get(stage, _WRITE)
    fraction = before + own * part
    return JobProgress(stage, done, total, round(_FETCH + (1 - _FETCH) * fraction if is_fetched else fraction, 4))

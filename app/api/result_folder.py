"""A job and its files as the caller may see them: a hidden job looks like a job that does not exist.

Files of a finished job are found, noted in the audit log, and sent whole or in part.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, ParamSpec, TypeVar

from fastapi import Depends, Query, Request, Response
from fastapi.responses import FileResponse
from PIL import Image

from app.access.audit import Event
from app.api.auth import Poller, Reader
from app.api.schemas import POLL_AFTER_S
from app.api.services import Services, ServicesDep
from app.errors import (
    JobErasedError,
    JobNotFoundError,
    ResultNotReadyError,
    ResultPendingError,
    TaskNotFoundError,
)
from app.jobs.status import JobStatus, job_status
from app.records.record import Holder
from app.results.files.write import encode_png
from app.results.schema import ResultDocument

P = ParamSpec("P")
T = TypeVar("T")
# Results never change, but they are patients' and may be erased: no cache keeps them.
HEADERS: Final = {"Cache-Control": "private, no-store"}
TaskQuery = Annotated[str | None, Query(description="which head's map; default: the first")]
_ENDED = {"failed": "failed", "cancelled": "been cancelled"}
UNKNOWN = "No such job. POST /analyze and GET /jobs return valid ids."


def visible_status(services: Services, job_id: str, sees: Callable[[Holder], bool]) -> JobStatus:
    """The job's status, if ``sees`` is true for its holder. JobNotFoundError, JobErasedError."""
    try:
        status = job_status(services.store, services.queue, job_id)
    except JobErasedError:
        if sees(services.store.tombstone(job_id).holder):
            raise
        raise JobNotFoundError(UNKNOWN) from None
    if not sees(status.request.holder):
        raise JobNotFoundError(UNKNOWN)
    return status


def _readable(job_id: str, services: ServicesDep, caller: Reader) -> JobStatus:
    return visible_status(services, job_id, caller.reads)


def _followed(job_id: str, services: ServicesDep, caller: Poller) -> JobStatus:
    return visible_status(services, job_id, caller.follows)


ReadableJob = Annotated[JobStatus, Depends(_readable)]
FollowedJob = Annotated[JobStatus, Depends(_followed)]


def note_read(request: Request, job: ReadableJob, services: ServicesDep, caller: Reader) -> None:
    """Writes who downloads a result into the audit log, before the first byte is sent."""
    if job.folder is not None:
        name = request.url.path.partition(f"/jobs/{job.request.id}/")[2]
        services.audit.append(Event("result.read", caller.actor, job.request.id, job.request.tenant, name))


def result_folder(services: Services, job: JobStatus, *, succeeded: bool = True) -> Path:
    """Where the files are. ResultNotReadyError where the job has none, or (``succeeded``) did not succeed."""
    if job.folder is None or (succeeded and job.state != "succeeded"):
        if job.error is not None:
            raise ResultNotReadyError(f"The job has {_ENDED[job.state]}: {job.error.message}", cause=job.error.code)
        raise ResultPendingError(
            f"The job is {job.state}. Poll /jobs/{job.request.id} until it is over.", retry_after_s=POLL_AFTER_S
        )
    return services.store.folder(job.request.id) / job.folder


def known_task(document: ResultDocument, task: str | None) -> str | None:
    """``task`` if the result has it. TaskNotFoundError."""
    tasks = [part.task for part in document.predictions]
    if task is not None and task not in tasks:
        raise TaskNotFoundError(f"This job has no task {task!r}. It has: {', '.join(tasks)}.")
    return task


class Draw:
    """Draws images in a thread: large slides take memory, and polls must not wait."""

    def __init__(self, services: ServicesDep, caller: Reader) -> None:
        self._services, self._holder = services, caller.holder

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Wait for a place, run it, and return what it returns."""
        return await self._services.threads.drawing.run(self._holder, function, *args, **kwargs)


Drawing = Annotated[Draw, Depends()]


def png_response(picture: Image.Image) -> Response:
    """The picture as an answer."""
    buffer = io.BytesIO()
    encode_png(picture, buffer)
    return Response(buffer.getvalue(), media_type="image/png", headers=HEADERS)


def file_response(path: Path, media_type: str) -> FileResponse:
    """A stored file as an answer."""
    return FileResponse(path, media_type=media_type, headers=HEADERS)

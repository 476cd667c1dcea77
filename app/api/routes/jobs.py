"""Jobs: look, list, follow, cancel, erase."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app.api.auth import ASK_AGAIN_S, Caller, Poller, Reader, Remover, Sender, still_welcome
from app.api.reference.openapi_parts import headers
from app.api.reference.refusals import A_JOB, ACCESS, responses
from app.api.result_folder import FollowedJob, visible_status
from app.api.schemas import POLL_AFTER_S, JobList, JobQuery, JobView, job_view
from app.api.services import Services, ServicesDep
from app.api.streams import ONE_STREAM
from app.errors import (
    DiskLowError,
    JobErasedError,
    JobNotFoundError,
    QueueFullError,
    RecordUnreadableError,
    RequestInvalidError,
)
from app.jobs.status import JobStatus, job_status

router = APIRouter(prefix="/jobs", tags=["jobs"])
log = structlog.stdlib.get_logger("xmag.api")
EVENT_TURN_S = 0.5
SCAN_MAX = 2000


@router.get("", summary="List jobs, newest first", responses=responses(*ACCESS, RequestInvalidError))
async def list_jobs(services: ServicesDep, caller: Reader, query: Annotated[JobQuery, Query()]) -> JobList:
    """One page. With a filter, a page may be short or empty although more follow: go on until `next_cursor` is null."""
    return await services.threads.lists.run(caller.holder, _page, services, caller, query)


def _page(services: Services, caller: Caller, query: JobQuery) -> JobList:
    before = None if query.cursor is None else services.cursors.open(caller.listed, query.cursor)
    found: list[JobView] = []
    unreadable: list[str] = []
    ids = [job_id for job_id in services.store.ids_newest_first() if before is None or job_id < before]
    last = None
    for job_id in ids[:SCAN_MAX]:
        if len(found) == query.limit:
            break
        last = job_id
        status = _status_if_accepted(services, job_id, unreadable)
        if status is not None and caller.reads(status.request.holder) and _matches(status, query):
            found.append(job_view(status, services.settings.public_url, is_readable=True))
    cursor = None if last is None or last == ids[-1] else services.cursors.seal(caller.listed, last)
    return JobList(jobs=found, next_cursor=cursor, unreadable=unreadable if caller.is_admin else [])


def _status_if_accepted(services: Services, job_id: str, unreadable: list[str]) -> JobStatus | None:
    """None for one that is not there (yet), or whose record is damaged, which is added to ``unreadable``."""
    try:
        return job_status(services.store, services.queue, job_id)
    except (JobNotFoundError, JobErasedError):
        return None
    except RecordUnreadableError as error:  # whose it is cannot be told; the others' lists go on
        log.warning("job.unlisted", job=job_id, reason=error.message)
        unreadable.append(job_id)
        return None


def _matches(status: JobStatus, query: JobQuery) -> bool:
    return (
        query.state in {None, status.state}
        and query.case_id in {None, status.stated.case_id}
        and query.slide_id in {None, status.stated.slide_id}
    )


@router.get(
    "/{job_id}",
    summary="Get a job",
    responses={
        200: {"headers": headers(Retry_After="seconds until the next poll, while it is not over")},
        **responses(*A_JOB),
    },
)
async def get_job(job: FollowedJob, services: ServicesDep, caller: Poller, response: Response) -> JobView:
    """Poll this until `state` is succeeded, failed or cancelled. `Retry-After` says when to ask again.

    The scope `submit` alone opens only jobs made with the same key or by the same token holder.
    """
    view = job_view(job, services.settings.public_url, is_readable=caller.reads(job.request.holder))
    if view.finished_at is None:
        response.headers["Retry-After"] = str(POLL_AFTER_S)
    return view


@router.get(
    "/{job_id}/events",
    summary="Follow a job (server-sent events)",
    operation_id="follow_job",
    response_class=EventSourceResponse,
    responses=responses(*A_JOB, QueueFullError),
    dependencies=[ONE_STREAM],
)
async def events(
    job: FollowedJob, caller: Poller, request: Request, services: ServicesDep
) -> AsyncIterator[ServerSentEvent]:
    """An event named `job` with the job as JSON at once and at every change, until the job is over."""
    job_id, holder, last = job.request.id, job.request.holder, None
    is_readable = caller.reads(holder)
    view = job_view(job, services.settings.public_url, is_readable=is_readable)
    asked = time.monotonic()
    while True:
        if view != last:
            yield ServerSentEvent(event="job", data=view)
            last = view
        if view.finished_at is not None or services.admission.draining.is_set():
            return
        await asyncio.sleep(EVENT_TURN_S)
        if time.monotonic() - asked > ASK_AGAIN_S:
            asked = time.monotonic()
            if not await run_in_threadpool(still_welcome, request, services, lambda who: who.follows(holder)):
                return
        try:
            status = await run_in_threadpool(job_status, services.store, services.queue, job_id)
            view = job_view(status, services.settings.public_url, is_readable=is_readable)
        except (JobErasedError, JobNotFoundError):
            yield ServerSentEvent(event="erased", data={"id": job_id})
            return


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=responses(*A_JOB, DiskLowError))
def cancel_job(job_id: str, services: ServicesDep, caller: Sender) -> JobView:
    """Cancels a waiting or running job. A finished job stays as it is: this request never erases, however often sent.

    The scope `submit` alone opens the caller's own jobs; `submit` and `read` open the tenant's jobs.
    """
    status = visible_status(services, job_id, caller.follows)
    if status.finished_at is None:
        services.finisher.cancel(status, caller.actor)
    status = job_status(services.store, services.queue, job_id)
    return job_view(status, services.settings.public_url, is_readable=caller.reads(status.request.holder))


@router.delete(
    "/{job_id}",
    summary="Cancel or erase a job",
    response_model=JobView,
    responses={
        204: {"description": "Done; the job's record is damaged, or the caller may not see it"},
        **responses(*A_JOB, DiskLowError),
    },
)
def delete_job(job_id: str, services: ServicesDep, caller: Remover) -> JobView | Response:
    """Cancels a waiting or running job. Erases a finished job, with its upload and results.

    Sending DELETE twice therefore cancels and then erases the job. A client that only wants to cancel sends
    `POST /jobs/{id}/cancel`. The answer is the job's last state, if the caller may see the job. A slide given by path
    is never touched. A job with a damaged record is erased; if its tenant is unknown, only an admin may erase it.
    """
    try:
        status = visible_status(services, job_id, caller.erases)
    except RecordUnreadableError:
        if not (caller.is_admin or _is_erasable(services, caller, job_id)):
            raise
        services.eraser.erase(job_id, caller.actor, "on request, its record being damaged")
        services.viewer.forget(job_id)
        return Response(status_code=204)
    if status.finished_at is None:
        services.finisher.cancel(status, caller.actor)
        return _told(services, caller, job_status(services.store, services.queue, job_id))
    services.eraser.erase(job_id, caller.actor, "on request")
    services.viewer.forget(job_id)
    log.info("job.erased", job=job_id, reason="requested")
    told = _told(services, caller, status)
    return told.model_copy(update={"links": {}}) if isinstance(told, JobView) else told


def _told(services: Services, caller: Caller, status: JobStatus) -> JobView | Response:
    """The job, if the caller may see it; the scope ``erase`` alone does not show jobs."""
    holder = status.request.holder
    if not caller.follows(holder):
        return Response(status_code=204)
    return job_view(status, services.settings.public_url, is_readable=caller.reads(holder))


def _is_erasable(services: Services, caller: Caller, job_id: str) -> bool:
    """Whether the job's request can be read and the caller may erase the job."""
    try:
        return caller.erases(services.store.request(job_id).holder)
    except RecordUnreadableError:
        return False

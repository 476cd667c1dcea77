"""Who asks for a slide's page asks for its tiles next: the slide is opened while the page still loads."""

from fastapi import Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from app.api.auth import Caller, find_caller
from app.api.result_folder import visible_status
from app.api.services import Services
from app.errors import XmagError
from app.records.record import Holder, JobRequest


def for_page(request: Request, services: Services, job_id: str) -> BackgroundTask:
    """After the page was sent, which tells nothing of the job: only for those who may see the slide."""

    async def begin() -> None:
        seen = await run_in_threadpool(_seen, request, services, job_id)
        if seen is not None:
            await services.viewing.open_ahead(*seen)

    return BackgroundTask(begin)


def for_tiles(services: Services, caller: Caller, request: JobRequest) -> BackgroundTask:
    """After the pyramid's size was sent: it is remembered for longer than the slide is kept open."""
    return BackgroundTask(services.viewing.open_ahead, caller.holder, request)


def _seen(request: Request, services: Services, job_id: str) -> tuple[Holder, JobRequest] | None:
    """The caller and the slide; None if the caller may not see the slide."""
    if "authorization" in request.headers:  # no browser's: keys are tried where wrong ones are counted
        return None
    try:
        caller = find_caller(request, services)
        job = visible_status(services, job_id, caller.reads)
    except XmagError:  # the page asks for the job too, and is told why not
        return None
    return caller.holder, job.request

"""Who asks for a slide's page asks for its tiles next: the slide is opened while the page still loads."""

from fastapi import Request
from starlette.background import BackgroundTask

from app.api.auth import find_caller
from app.api.lookup import visible_status
from app.api.services import Services
from app.errors import XmagError
from app.jobs.record import JobRequest


def for_page(request: Request, services: Services, job_id: str) -> BackgroundTask:
    """After the page was sent, which tells nothing of the job: only for those who may see the slide."""

    async def begin() -> None:
        await services.in_viewer(_open_if_seen, request, services, job_id)

    return BackgroundTask(begin)


def for_tiles(services: Services, request: JobRequest) -> BackgroundTask:
    """After the pyramid's size was sent: it is remembered for longer than the slide is kept open."""

    async def begin() -> None:
        await services.in_viewer(services.viewer.open_ahead, request)

    return BackgroundTask(begin)


def _open_if_seen(request: Request, services: Services, job_id: str) -> None:
    if "authorization" in request.headers:  # no browser's: keys are tried where wrong ones are counted
        return
    try:
        caller = find_caller(request, services)
        job = visible_status(services, job_id, caller.reads)
    except XmagError:  # the page asks for the job too, and is told why not
        return
    services.viewer.open_ahead(job.request)

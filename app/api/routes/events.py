"""All of a tenant's jobs as they change, for a worklist."""

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app.api.auth import ASK_AGAIN_S, Reader, still_welcome
from app.api.reference.refusals import ACCESS, responses
from app.api.schemas import job_view
from app.api.services import ServicesDep
from app.api.streams import ONE_STREAM
from app.errors import QueueFullError

router = APIRouter(tags=["jobs"])
LISTEN_S = 1.0


@router.get(
    "/events",
    summary="Follow all jobs (server-sent events)",
    operation_id="follow_jobs",
    response_class=EventSourceResponse,
    responses=responses(*ACCESS, QueueFullError),
    dependencies=[ONE_STREAM],
)
async def events(request: Request, services: ServicesDep, caller: Reader) -> AsyncIterator[ServerSentEvent]:
    """Streams an event `job` for each unfinished job, then one whenever a job changes (twice a second each at most).
    It holds the job as in GET /jobs/{id}. `erased` holds the `id`. List jobs after connecting: nothing is missed."""
    asked = time.monotonic()
    with services.feed.following() as follower:
        while not services.admission.draining.is_set():
            for change in await follower.hear(LISTEN_S):
                if not caller.reads(change.holder):
                    continue
                if change.status is None:
                    yield ServerSentEvent(event="erased", data={"id": change.job_id})
                else:
                    yield ServerSentEvent(
                        event="job", data=job_view(change.status, services.settings.public_url, is_readable=True)
                    )
            if time.monotonic() - asked > ASK_AGAIN_S:
                asked = time.monotonic()
                if not await run_in_threadpool(still_welcome, request, services, lambda who: who.has("read")):
                    return

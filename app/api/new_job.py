"""What the requests that make a job have in common."""

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.auth import Caller
from app.api.schemas import POLL_AFTER_S, JobView, job_view
from app.api.services import Services
from app.errors import RequestInvalidError
from app.jobs.order import Sender
from app.jobs.status import job_status
from app.records.idempotency import key_hash


def sender_of(request: Request, caller: Caller) -> Sender:
    """On whose behalf ``request`` makes a job. RequestInvalidError for an unusable Idempotency-Key."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key.strip()) <= 255:
        raise RequestInvalidError("Idempotency-Key must have 1 to 255 characters.")
    hashed = None if key is None else key_hash(caller.holder, key.strip())
    return Sender(caller.holder, caller.actor, request.state.request_id, hashed)


async def accepted_view(response: Response, services: Services, caller: Caller, job_id: str) -> JobView:
    """The answer for an accepted job, and its headers."""
    address = services.settings.public_url
    response.headers["Location"] = f"{address}/jobs/{job_id}"
    response.headers["Retry-After"] = str(POLL_AFTER_S)
    status = await run_in_threadpool(job_status, services.store, services.queue, job_id)
    return job_view(status, address, is_readable=caller.reads(status.request.holder))

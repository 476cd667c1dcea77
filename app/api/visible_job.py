"""Jobs as the caller may see them: a hidden job looks like a job that does not exist."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from app.api.auth import Poller, Reader
from app.api.services import Services, ServicesDep
from app.errors import JobErasedError, JobNotFoundError
from app.jobs.status import JobStatus, job_status
from app.records.record import Holder

UNKNOWN = "No such job. Ids are those that POST /analyze and GET /jobs give."


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

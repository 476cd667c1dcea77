"""A job as its owner may see it: another tenant's job looks like one that does not exist."""

from typing import Annotated

from fastapi import Depends

from app.api.auth import Caller, Reader
from app.api.services import Services, ServicesDep
from app.errors import JobErasedError, JobNotFoundError
from app.jobs.status import JobStatus, job_status

UNKNOWN = "No such job. Ids are those that POST /analyze and GET /jobs give."


def seen_status(services: Services, caller: Caller, job_id: str) -> JobStatus:
    """The job's status. JobNotFoundError, JobErasedError."""
    try:
        status = job_status(services.store, services.queue, job_id)
    except JobErasedError:
        if caller.may_see(services.store.tombstone(job_id).tenant):
            raise
        raise JobNotFoundError(UNKNOWN) from None
    if not caller.sees(status.request):
        raise JobNotFoundError(UNKNOWN)
    return status


def _readable(job_id: str, services: ServicesDep, caller: Reader) -> JobStatus:
    return seen_status(services, caller, job_id)


ReadableJob = Annotated[JobStatus, Depends(_readable)]

"""A job as its owner may see it: another tenant's job looks like one that does not exist."""

from app.api.auth import Caller
from app.api.services import Services
from app.errors import JobNotFoundError
from app.jobs.status import JobStatus, job_status


def seen_status(services: Services, caller: Caller, job_id: str) -> JobStatus:
    """The job's status. JobNotFoundError, JobErasedError."""
    status = job_status(services.store, services.queue, job_id)
    if not caller.sees(status.request):
        raise JobNotFoundError("No such job. Ids are those that POST /analyze and GET /jobs give.")
    return status

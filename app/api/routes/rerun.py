"""POST /jobs/{id}/rerun: runs a finished job again, from its kept slide."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.auth import Sender as MaySubmit
from app.api.body.headers import content_length, media_type
from app.api.body.json_body import read_json, validated
from app.api.new_job import accepted_view, sender_of
from app.api.reference.analyze_reference import ACCEPTED, RERUN_EXTRA
from app.api.reference.refusals import A_RERUN, responses
from app.api.result_folder import visible_status
from app.api.schemas import POLL_AFTER_S, JobView, RerunFields
from app.api.services import Services, ServicesDep
from app.errors import ResultPendingError, UploadTypeError

router = APIRouter(tags=["jobs"])


@router.post(
    "/jobs/{job_id}/rerun",
    status_code=202,
    response_model=JobView,
    summary="Run a job again",
    responses={**ACCEPTED, **responses(*A_RERUN)},
    openapi_extra=RERUN_EXTRA,
)
async def rerun(job_id: str, request: Request, response: Response, services: ServicesDep, caller: MaySubmit) -> JobView:
    """Makes a new job for the slide of a finished job. Fields in the body (JSON, optional) replace the old ones.

    Each job keeps its own copy of an uploaded slide, so erasing one job does not affect the other. An erased slide
    answers `slide_gone`. A slide by path or in an object store that has changed answers `source_changed`. A `model`
    without `tasks` runs all tasks of that model. The scope `submit` alone opens the caller's own jobs; `submit` and
    `read` open the tenant's jobs. The new job belongs to the same tenant, even if an admin sends the request.
    """
    await run_in_threadpool(services.admission.check_room, caller.holder)
    sender = sender_of(request, caller)
    status = await run_in_threadpool(visible_status, services, job_id, caller.follows)
    if status.finished_at is None:
        raise ResultPendingError(
            f"The job is {status.state}. Cancel it, or wait until it is over.", retry_after_s=POLL_AFTER_S
        )
    changes = validated(RerunFields, await _optional_json(request, services), is_strict=True)
    order = changes.after(status.request)
    services.submissions.check(order)
    job = await services.submissions.again(sender, order, status.request)
    return await accepted_view(response, services, caller, job.id)


async def _optional_json(request: Request, services: Services) -> object:
    kind = media_type(request)
    if kind == "application/json":
        return await read_json(request, services.settings)
    if kind or content_length(request):
        raise UploadTypeError("Send the changed fields as JSON, or no body.")
    return {}

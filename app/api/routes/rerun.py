"""POST /jobs/{id}/rerun: runs a finished job again, from its kept slide."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from app.access.audit import Event
from app.api.auth import Caller, Sender
from app.api.body.json_body import read_json, validated
from app.api.body.media_type import media_type
from app.api.new_job import (
    accept,
    accepted_view,
    check_fields,
    check_identity,
    content_length,
    fingerprint,
    idempotency_of,
    job_request,
    new_folder,
    object_now,
)
from app.api.problems import responses
from app.api.reference.analyze_reference import ACCEPTED, RERUN_EXTRA
from app.api.result_folder import visible_status
from app.api.schemas import POLL_AFTER_S, AnalyzeFields, JobView, RerunFields
from app.api.services import Services, ServicesDep
from app.errors import ResultPendingError, SourceChangedError, UploadTypeError
from app.jobs.intake.upload_folder import UploadFolder
from app.records.record import JobRequest, ObjectSource, Source, UploadSource
from app.slides.types import SlideInfo

router = APIRouter(tags=["jobs"])


@router.post(
    "/jobs/{job_id}/rerun",
    status_code=202,
    response_model=JobView,
    summary="Run a job again",
    responses={**ACCEPTED, **responses(400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 503)},
    openapi_extra=RERUN_EXTRA,
)
async def rerun(job_id: str, request: Request, response: Response, services: ServicesDep, caller: Sender) -> JobView:
    """Makes a new job for the slide of a finished job. Fields in the body (JSON, optional) replace the old ones.

    Each job keeps its own copy of an uploaded slide, so erasing one job does not affect the other. An erased slide
    answers `slide_gone`. A slide by path or in an object store that has changed answers `source_changed`. A `model`
    without `tasks` runs all tasks of that model. The scope `submit` alone opens the caller's own jobs; `submit` and
    `read` open the tenant's jobs. The new job belongs to the same tenant, even if an admin sends the request.
    """
    await run_in_threadpool(services.admission.check_room, caller.holder)
    idempotency = idempotency_of(request, caller)
    status = await run_in_threadpool(visible_status, services, job_id, caller.follows)
    if status.finished_at is None:
        raise ResultPendingError(
            f"The job is {status.state}. Cancel it, or wait until it is over.", retry_after_s=POLL_AFTER_S
        )
    before = status.request
    fields = _changed(before, validated(RerunFields, await _optional_json(request, services), is_strict=True))
    check_fields(services, fields)
    services.admission.check_disk(0)
    async with new_folder(services, caller) as folder:
        source, info = await _same_slide(services, caller, before, fields, folder)
        if info is not None:
            check_identity(services, fields, info)
        dicom = None if info is None else info.identity
        job = job_request(request, folder.job_id, fields, source, services, caller, dicom)
        job = job.model_copy(update={"tenant": before.tenant})  # an admin's own tenant has no right to the slide
        services.audit.append(Event("job.rerun", caller.actor, job_id, before.tenant, job.id))
        accepted = await accept(services, caller, job, idempotency, f"{job_id} {fingerprint(source, fields)}")
    return await accepted_view(response, services, caller, accepted.id)


async def _optional_json(request: Request, services: Services) -> object:
    kind = media_type(request)
    if kind == "application/json":
        return await read_json(request, services.settings)
    if kind or content_length(request):
        raise UploadTypeError("Send the changed fields as JSON, or no body.")
    return {}


def _changed(before: JobRequest, changes: RerunFields) -> RerunFields:
    """The fields of ``before``, replaced by those that were sent."""
    sent = changes.model_dump(exclude_unset=True)
    kept = before.model_dump(include=set(AnalyzeFields.model_fields) - {"tasks", "sha256"})
    if "model" not in sent:
        kept["tasks"] = list(before.named_tasks) or None
    return RerunFields.model_validate(kept | sent)


async def _same_slide(
    services: Services, caller: Caller, before: JobRequest, fields: AnalyzeFields, folder: UploadFolder
) -> tuple[Source, SlideInfo | None]:
    """The slide of ``before``, in ``folder`` if it was uploaded; None where it is opened when it is analysed.

    SlideGoneError, SlideMissingError, SourceChangedError, and the slide's own.
    """
    if isinstance(before.source, UploadSource):
        return before.source, await services.kept(caller.holder, before, folder.slide_folder, fields.mpp)
    folder.slide_folder.rmdir()
    source: Source
    info = None
    if isinstance(before.source, ObjectSource):
        source = await object_now(services, before.source.object)
    else:
        source, info = await services.by_path(caller.holder, before.source.path, fields.mpp)
    if source != before.source:
        raise SourceChangedError("Another slide is there now. Send a new request for it.")
    return source, info

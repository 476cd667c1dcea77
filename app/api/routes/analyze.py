"""POST /analyze: a slide comes in, a job comes out."""

import structlog
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.api.auth import Sender as MaySubmit
from app.api.body.headers import content_length, media_type
from app.api.body.json_body import read_json, validated
from app.api.body.upload import FORM_OVERHEAD_BYTES, receive_form
from app.api.new_job import accepted_view, sender_of
from app.api.reference.analyze_reference import ACCEPTED, EXTRA, callback
from app.api.reference.refusals import A_NEW_SLIDE, responses
from app.api.schemas import AnalyzeBySource, AnalyzeFields, JobView, ObjectReference, UploadReference
from app.api.services import Services, ServicesDep
from app.errors import RequestInvalidError, UploadTypeError
from app.jobs.admission import too_large
from app.jobs.order import Sender
from app.records.record import JobRequest

router = APIRouter(tags=["analyze"])
log = structlog.stdlib.get_logger("xmag.api")
FIELD_NAMES = tuple(AnalyzeFields.model_fields)


@router.post(
    "/analyze",
    status_code=202,
    response_model=JobView,
    summary="Analyse a slide",
    responses={**ACCEPTED, **responses(*A_NEW_SLIDE)},
    openapi_extra=EXTRA,
    callbacks=callback.routes,
)
async def analyze(request: Request, response: Response, services: ServicesDep, caller: MaySubmit) -> JobView | Response:
    """Upload a slide (multipart) or name one the server can read (JSON). The answer is the job: poll `links.self`.

    A slide that cannot be analysed is refused here where that can be told from its header; the rest shows as a
    failed job.
    """
    await run_in_threadpool(services.admission.check_room, caller.holder)
    sender, kind = sender_of(request, caller), media_type(request)
    try:
        if kind == "multipart/form-data":
            job = await _by_upload(request, services, sender)
        elif kind == "application/json":
            job = await _by_source(request, services, sender)
        else:
            raise UploadTypeError("Send the slide as multipart/form-data (field slide), or JSON with a source.")
    except ClientDisconnect:
        log.info("upload.disconnected")
        return Response(status_code=400)
    return await accepted_view(response, services, caller, job.id)


async def _by_upload(request: Request, services: Services, sender: Sender) -> JobRequest:
    length, limit = content_length(request), services.settings.upload_max_bytes
    if length > limit + FORM_OVERHEAD_BYTES:
        raise too_large(limit)
    with services.admission.upload(sender.holder, length) as arrival:
        async with services.submissions.folder(sender) as folder:
            file, texts = await receive_form(
                request, folder.slide_folder, FIELD_NAMES, arrival, services.settings, services.threads
            )
            fields = validated(AnalyzeFields, texts, is_strict=False)
            services.submissions.check(fields)
            return await services.submissions.of_file(sender, fields, folder, file)


async def _by_source(request: Request, services: Services, sender: Sender) -> JobRequest:
    fields = validated(AnalyzeBySource, await read_json(request, services.settings), is_strict=True)
    source, submissions = fields.source, services.submissions
    submissions.check(fields)
    if isinstance(source, UploadReference):
        return await submissions.of_upload(sender, fields, source.id)
    if fields.sha256 is not None:
        raise RequestInvalidError("sha256 applies to uploaded slides only. For others, see slide.sha256 in the result.")
    if isinstance(source, ObjectReference):
        return await submissions.of_object(sender, fields, source.object)
    return await submissions.of_path(sender, fields, source.path)

"""POST /analyze: a slide comes in, a job comes out."""

from contextlib import ExitStack

import structlog
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.api.auth import Caller, Sender
from app.api.body.json_body import read_json, validated
from app.api.body.media_type import media_type
from app.api.body.upload import FORM_OVERHEAD_BYTES, receive_form, too_large
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
from app.api.reference.analyze_reference import ACCEPTED, EXTRA, callback
from app.api.schemas import AnalyzeBySource, AnalyzeFields, JobView, ObjectReference, UploadReference
from app.api.services import Services, ServicesDep
from app.errors import (
    DigestMismatchError,
    RequestInvalidError,
    UploadNotFoundError,
    UploadTypeError,
)
from app.jobs.intake.unpack import ReceivedFile
from app.jobs.intake.uploads import Upload
from app.records.ids import new_job_id
from app.records.record import Source

router = APIRouter(tags=["analyze"])
log = structlog.stdlib.get_logger("xmag.api")
FIELD_NAMES = tuple(AnalyzeFields.model_fields)


@router.post(
    "/analyze",
    status_code=202,
    response_model=JobView,
    summary="Analyse a slide",
    responses={**ACCEPTED, **responses(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503)},
    openapi_extra=EXTRA,
    callbacks=callback.routes,
)
async def analyze(request: Request, response: Response, services: ServicesDep, caller: Sender) -> JobView | Response:
    """Upload a slide (multipart) or name one the server can read (JSON). The answer is the job: poll `links.self`.

    A slide that cannot be analysed is refused here where that can be told from its header; the rest shows as a
    failed job.
    """
    await run_in_threadpool(services.admission.check_room, caller.holder)
    idempotency = idempotency_of(request, caller)
    kind = media_type(request)
    try:
        if kind == "multipart/form-data":
            job_id = await _by_upload(request, services, caller, idempotency)
        elif kind == "application/json":
            job_id = await _by_source(request, services, caller, idempotency)
        else:
            raise UploadTypeError("Send the slide as multipart/form-data (field slide), or JSON with a source.")
    except ClientDisconnect:
        log.info("client hung up during the upload")
        return Response(status_code=400)
    return await accepted_view(response, services, caller, job_id)


async def _by_upload(request: Request, services: Services, caller: Caller, idempotency: str | None) -> str:
    length, limit = content_length(request), services.settings.upload_max_bytes
    if length > limit + FORM_OVERHEAD_BYTES:
        raise too_large(limit)
    with services.admission.upload(caller.holder, length) as arrival:
        async with new_folder(services, caller) as folder:
            file, texts = await receive_form(request, folder.slide_folder, FIELD_NAMES, services, arrival)
            fields = validated(AnalyzeFields, texts, is_strict=False)
            check_fields(services, fields)
            _check_digest(file, fields)
            source, info = await services.received(caller.holder, file, fields.mpp)
            check_identity(services, fields, info)
            job = job_request(request, folder.job_id, fields, source, services, caller, info.identity)
            accepted = await accept(services, caller, job, idempotency, fingerprint(source, fields))
        return accepted.id


async def _by_source(request: Request, services: Services, caller: Caller, idempotency: str | None) -> str:
    fields = validated(AnalyzeBySource, await read_json(request, services.settings), is_strict=True)
    check_fields(services, fields)
    if isinstance(fields.source, UploadReference):
        return await _by_reference(request, services, caller, idempotency, fields)
    if fields.sha256 is not None:
        raise RequestInvalidError("sha256 is for slides that are sent. Of others, see slide.sha256 in the result.")
    services.admission.check_disk(0)
    dicom = None
    if isinstance(fields.source, ObjectReference):
        source: Source = await object_now(services, fields.source.object)
    else:
        source, info = await services.by_path(caller.holder, fields.source.path, fields.mpp)
        check_identity(services, fields, info)
        dicom = info.identity
    job = job_request(request, new_job_id(), fields, source, services, caller, dicom)
    (services.store.root / job.id).mkdir(mode=0o700)
    accepted = await accept(services, caller, job, idempotency, fingerprint(source, fields))
    if accepted.id != job.id:
        (services.store.root / job.id).rmdir()
    return accepted.id


async def _by_reference(
    request: Request, services: Services, caller: Caller, idempotency: str | None, fields: AnalyzeBySource
) -> str:
    """A finished upload becomes a job; one that is refused stays, to be asked for again with other fields."""
    assert isinstance(fields.source, UploadReference)
    uploads = services.uploads
    upload = await services.in_intake(caller.holder, uploads.find_any, fields.source.id, caller.holder)
    with ExitStack() as undo:
        await services.in_intake(caller.holder, undo.enter_context, uploads.locked(upload))
        if upload.taken_by is not None:
            return await _once_more(services, caller, upload, idempotency, fields)
        async with new_folder(services, caller) as folder:
            file = await services.in_intake(caller.holder, uploads.link, upload, folder.slide_folder)
            try:
                _check_digest(file, fields)
            except DigestMismatchError:  # what is kept would never be another
                await services.in_intake(caller.holder, uploads.erase, upload)
                raise
            source, info = await services.received(caller.holder, file, fields.mpp)
            check_identity(services, fields, info)
            job = job_request(request, folder.job_id, fields, source, services, caller, info.identity)
            accepted = await accept(services, caller, job, idempotency, fingerprint(source, fields))
            await services.in_intake(caller.holder, uploads.note_taken, upload, accepted.id)
        return accepted.id


async def _once_more(
    services: Services, caller: Caller, upload: Upload, idempotency: str | None, fields: AnalyzeBySource
) -> str:
    """The job that an upload became, for the same request with the same Idempotency-Key. UploadNotFoundError else."""
    job_id = upload.taken_by or ""
    if idempotency is not None and await services.in_intake(caller.holder, services.store.exists, job_id):
        job = await services.in_intake(caller.holder, services.store.request, job_id)
        if job.idempotency == idempotency:
            await services.in_intake(caller.holder, services.intake.check_same, job, fingerprint(job.source, fields))
            return job_id
    raise UploadNotFoundError("This upload became a job already. Send the slide again to analyse it once more.")


def _check_digest(file: ReceivedFile, fields: AnalyzeFields) -> None:
    if fields.sha256 is not None and fields.sha256.lower() != file.sha256:
        raise DigestMismatchError(f"What arrived has another SHA-256 ({file.sha256}). Send it again.")

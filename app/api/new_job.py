"""From a slide and fields to an accepted job: what POST /analyze and POST /jobs/{id}/rerun share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from anyio import CancelScope
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.auth import Caller
from app.api.body.upload import too_large
from app.api.schemas import POLL_AFTER_S, AnalyzeFields, JobView, job_view
from app.api.services import Services
from app.errors import EmptyUploadError, RequestInvalidError, TaskNotFoundError
from app.identity import identity_warnings
from app.jobs.intake.intake import fingerprint_of
from app.jobs.intake.source import resolve_object
from app.jobs.intake.upload_folder import UploadFolder
from app.jobs.status import job_status
from app.records.idempotency import key_hash
from app.records.record import JobFields, JobRequest, ObjectSource, Source, now
from app.slides.formats.identity import DicomIdentity
from app.slides.types import SlideInfo

log = structlog.stdlib.get_logger("xmag.api")


async def object_now(services: Services, text: str) -> ObjectSource:
    """An object as it is now. It stays in the store and is opened only for the analysis."""
    address, limit = resolve_object(text, services.settings), services.settings.upload_max_bytes
    state = await services.objects.state(address)
    if state.size_bytes > limit:
        raise too_large(limit)
    if state.size_bytes == 0:
        raise EmptyUploadError("The object is empty. Send the request again when the object is complete.")
    services.admission.check_disk(state.size_bytes)
    return ObjectSource(object=str(address), size_bytes=state.size_bytes, etag=state.etag, version=state.version)


@asynccontextmanager
async def new_folder(services: Services, caller: Caller) -> AsyncIterator[UploadFolder]:
    """A folder for a slide. Closed also when the server ends, so that nothing half-done stays behind."""
    folder = await services.in_intake(caller.holder, UploadFolder, services.store)
    try:
        yield folder
    finally:
        with CancelScope(shield=True):
            await services.in_intake(caller.holder, folder.close)


async def accept(
    services: Services, caller: Caller, job: JobRequest, idempotency: str | None, fingerprint: str
) -> JobRequest:
    """Make the job durable and queue it. A repeated Idempotency-Key gives the job that it made before."""
    accepted = await services.in_intake(
        caller.holder, services.intake.accept, job, caller.actor, idempotency, fingerprint
    )
    log.info("job accepted", job=accepted.id, priority=accepted.priority)
    return accepted


async def accepted_view(response: Response, services: Services, caller: Caller, job_id: str) -> JobView:
    """The answer for an accepted job, and its headers."""
    address = services.settings.public_url
    response.headers["Location"] = f"{address}/jobs/{job_id}"
    response.headers["Retry-After"] = str(POLL_AFTER_S)
    status = await run_in_threadpool(job_status, services.store, services.queue, job_id)
    return job_view(status, address, is_readable=caller.reads(status.request.holder))


def check_fields(services: Services, fields: AnalyzeFields) -> None:
    """Checks that need no slide."""
    _model_and_tasks(services, fields)
    if fields.callback_url is not None:
        services.callbacks.check(fields.callback_url)


def check_identity(services: Services, fields: AnalyzeFields, info: SlideInfo) -> None:
    """IdentityConflictError if the slide's header contradicts the request; mere warnings go into the result."""
    identity_warnings(fields, info, services.settings.identity_conflict)


def _model_and_tasks(services: Services, fields: AnalyzeFields) -> tuple[str, tuple[str, ...]]:
    name = services.model_for(fields.model)
    known = tuple(head.task for head in services.registry.manifest(name).heads)
    tasks = tuple(dict.fromkeys(fields.tasks or known))
    unknown = [task for task in tasks if task not in known]
    if unknown:
        raise TaskNotFoundError(f"Model {name} has no task {', '.join(unknown)}. Its tasks: {', '.join(known)}.")
    return name, tasks


def job_request(  # noqa: PLR0917 (all that a job is made of)
    request: Request,
    job_id: str,
    fields: AnalyzeFields,
    source: Source,
    services: Services,
    caller: Caller,
    dicom: DicomIdentity | None,
) -> JobRequest:
    """The job's record. NoModelError, TaskNotFoundError."""
    model, tasks = _model_and_tasks(services, fields)
    return JobRequest(
        id=job_id,
        created_at=now(),
        source=source,
        model=model,
        tasks=tasks,
        named_tasks=tasks if fields.tasks else (),
        tenant=caller.tenant,
        owner=caller.owner,
        request_id=request.state.request_id,
        dicom=dicom,
        **fields.model_dump(include=set(JobFields.model_fields)),
    )


def idempotency_of(request: Request, caller: Caller) -> str | None:
    """The hash of the caller's Idempotency-Key, if one was sent. RequestInvalidError."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key.strip()) <= 255:
        raise RequestInvalidError("Idempotency-Key must have 1 to 255 characters.")
    return key_hash(caller.holder, key.strip())


def fingerprint(source: Source, fields: AnalyzeFields) -> str:
    """Hash of slide and fields: equal for equal requests."""
    return fingerprint_of(source, fields.model_dump(exclude={"source", "sha256"}))


def content_length(request: Request) -> int:
    """Content-Length; 0 without this header."""
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0

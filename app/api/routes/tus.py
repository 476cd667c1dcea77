"""Uploads that can be resumed: the tus protocol 1.0.0 with creation, creation-with-upload, termination and expiration.

Source: https://tus.io/protocols/resumable-upload. Why not a library: docs/decisions/0007.
"""

import base64
import binascii
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from email.utils import format_datetime
from typing import Any

from anyio import CancelScope
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from app.api.auth import Caller, Sender
from app.api.body.headers import media_type
from app.api.body.upload import buffered_body
from app.api.problems import logged_response
from app.api.reference.tus_reference import (
    ABLE,
    BEGIN,
    BEGUN,
    BODY_TYPE,
    GIVEN_UP,
    LOOKED_AT,
    SEND,
    SENT,
    SPEAK,
    VERSION,
)
from app.api.services import Services, ServicesDep
from app.errors import (
    DrainingError,
    EmptyUploadError,
    RequestInvalidError,
    TooLargeError,
    TusVersionError,
    UploadOffsetError,
    UploadTypeError,
    XmagError,
)
from app.jobs.admission import too_large
from app.jobs.intake.uploads import Upload
from app.slides.formats.catalogue import slide_suffix

EXTENSIONS = "creation,creation-with-upload,termination,expiration"


class TusRoute(APIRoute):
    """Every answer names the protocol's version, and every request has to (OPTIONS excepted)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler around the route's own."""
        handle = super().get_route_handler()

        async def handle_tus(request: Request) -> Response:
            try:
                if request.method != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
                    raise TusVersionError(f"Send the header Tus-Resumable: {VERSION}; this server speaks no other.")
                response = await handle(request)
            except XmagError as error:
                response = logged_response(error)
                if isinstance(error, UploadOffsetError):
                    response.headers["Upload-Offset"] = str(error.details["upload_offset"])
                if isinstance(error, TusVersionError):
                    response.headers["Tus-Version"] = VERSION
            response.headers["Tus-Resumable"] = VERSION
            return response

        return handle_tus


router = APIRouter(prefix="/uploads", tags=["uploads"], route_class=TusRoute)


@router.options("", include_in_schema=False)
@router.options(
    "/", status_code=204, summary="Supported versions and limits", operation_id="get_upload_abilities", responses=ABLE
)
def abilities(services: ServicesDep) -> Response:
    """Versions, extensions and the largest upload, as headers."""
    return Response(
        status_code=204,
        headers={
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(services.settings.upload_max_bytes),
        },
    )


@router.post("", include_in_schema=False)
@router.post(
    "/",
    status_code=201,
    response_class=Response,
    summary="Begin an upload",
    operation_id="begin_upload",
    responses=BEGUN,
    openapi_extra=BEGIN,
)
async def begin(request: Request, services: ServicesDep, caller: Sender) -> Response:
    """`Upload-Length` is in bytes; `Upload-Metadata: filename <base64>` gives the file extension. The answer's
    `Location` is the upload's address. Send the bytes there with PATCH, ask for the offset with HEAD, and name the
    complete upload in POST /analyze."""
    _check_extensions(request)
    length, limit = _whole_number(request, "upload-length"), services.settings.upload_max_bytes
    if length > limit:
        raise too_large(limit)
    if length == 0:
        raise EmptyUploadError("The file is empty (0 bytes). Check the export, and send it again.")
    if services.admission.draining.is_set():
        raise DrainingError("The service is going down. Send the request again in a minute.")
    suffix = slide_suffix(_metadata(request).get("filename", ""))
    with services.admission.upload(caller.holder, length):
        upload = await services.threads.intake.run(
            caller.holder, services.uploads.create, caller.holder, length, suffix
        )
    if _has_piece(request):
        await _append(request, services, caller, upload, 0)
    headers = {
        "Location": f"{services.settings.public_url}/uploads/{upload.record.id}",
        **await services.threads.intake.run(caller.holder, _state, services, upload),
    }
    return Response(status_code=201, headers=headers)


@router.head(
    "/{upload_id}",
    status_code=200,
    response_class=Response,
    summary="Get the offset of an upload",
    operation_id="get_upload_offset",
    responses=LOOKED_AT,
    openapi_extra=SPEAK,
)
async def look(upload_id: str, services: ServicesDep, caller: Sender) -> Response:
    """`Upload-Offset` of `Upload-Length`. Aborts any request that is still uploading, so the offset is final."""
    upload = await services.threads.intake.run(caller.holder, services.uploads.find, upload_id, caller.holder)
    async with services.turns.take(upload.record.id):
        headers = await services.threads.intake.run(caller.holder, _state, services, upload)
    length = {"Upload-Length": str(upload.record.length_bytes), "Cache-Control": "no-store"}
    return Response(status_code=200, headers={**headers, **length})


@router.patch(
    "/{upload_id}",
    status_code=204,
    summary="Send a piece",
    operation_id="send_piece",
    responses=SENT,
    openapi_extra=SEND,
)
async def send(upload_id: str, request: Request, services: ServicesDep, caller: Sender) -> Response:
    """The bytes from `Upload-Offset` on, as `application/offset+octet-stream`. Received bytes are kept, even if the
    connection breaks. All bytes up to the answered offset are safely on disk."""
    _check_extensions(request)
    if not _is_piece(request):
        raise UploadTypeError(f"Send the bytes with Content-Type: {BODY_TYPE}.")
    offset = _whole_number(request, "upload-offset")
    upload = await services.threads.intake.run(caller.holder, services.uploads.find, upload_id, caller.holder)
    await _append(request, services, caller, upload, offset)
    return Response(status_code=204, headers=await services.threads.intake.run(caller.holder, _state, services, upload))


@router.delete(
    "/{upload_id}",
    status_code=204,
    summary="Abort an upload",
    operation_id="give_up_upload",
    responses=GIVEN_UP,
    openapi_extra=SPEAK,
)
async def give_up(upload_id: str, services: ServicesDep, caller: Sender) -> Response:
    """What was received is erased."""
    upload = await services.threads.intake.run(caller.holder, services.uploads.find, upload_id, caller.holder)
    async with services.turns.take(upload.record.id):
        await services.threads.intake.run(caller.holder, _erase, services, upload)
    return Response(status_code=204)


async def _append(request: Request, services: Services, caller: Caller, upload: Upload, offset: int) -> None:
    length = upload.record.length_bytes
    async with services.turns.take(upload.record.id):
        with ExitStack() as undo:
            try:
                writer = await services.threads.intake.run(
                    caller.holder, undo.enter_context, services.uploads.writer(upload)
                )
                if writer.offset != offset:
                    raise UploadOffsetError(
                        f"The upload is at {writer.offset}, not at {offset}. Continue from there.",
                        upload_offset=writer.offset,
                    )
                with services.admission.upload(caller.holder, length - offset) as arrival:
                    async for chunk in buffered_body(request, services.settings):
                        if writer.offset + len(chunk) > length:
                            raise TooLargeError(f"The upload was begun with {length} bytes: this piece goes beyond.")
                        await services.threads.intake.run(caller.holder, writer.append, chunk)
                        arrival.received(len(chunk))
            except ClientDisconnect:
                return  # nobody hears the answer; what came is kept
            finally:
                with CancelScope(shield=True):  # what came is made durable whatever ended it
                    await services.threads.intake.run(caller.holder, undo.close)


def _state(services: Services, upload: Upload) -> dict[str, str]:
    ends_at = format_datetime(services.uploads.ends_at(upload), usegmt=True)
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": ends_at}


def _erase(services: Services, upload: Upload) -> None:
    with services.uploads.locked(upload):
        services.uploads.erase(upload)


def _check_extensions(request: Request) -> None:
    """Refuses headers of unsupported extensions (such as a checksum), which would otherwise be ignored."""
    for header in ("Upload-Concat", "Upload-Checksum", "Upload-Defer-Length"):
        if header in request.headers:
            raise RequestInvalidError(f"{header} is not supported. Tus-Extension: {EXTENSIONS}.")


def _is_piece(request: Request) -> bool:
    return media_type(request) == BODY_TYPE


def _has_piece(request: Request) -> bool:
    """Whether the request also carries the first bytes. UploadTypeError for bytes of another type."""
    if _is_piece(request):
        return True
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        raise UploadTypeError(f"Send the first bytes with Content-Type: {BODY_TYPE}, or none.")
    return False


def _whole_number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise RequestInvalidError(f"The header {header.title()} must be a whole number of bytes.")
    return int(text)


def _metadata(request: Request) -> dict[str, str]:
    """Upload-Metadata: names, each with a value in base64, split by commas."""
    found = {}
    for part in request.headers.get("upload-metadata", "").split(","):
        name, _, value = part.strip().partition(" ")
        try:
            text = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError) as error:
            raise RequestInvalidError("The header Upload-Metadata is not names with values in base64.") from error
        if name in found:
            raise RequestInvalidError(f"The header Upload-Metadata names {name[:80]!r} twice.")
        found[name] = text
    return found

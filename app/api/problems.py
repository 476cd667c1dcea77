"""Errors as problem documents (RFC 9457): type, title, status, detail, and a stable code."""

import http
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.errors import ContentEncodingError, DiskLowError, InternalError, Origin, RequestInvalidError, XmagError
from app.system.durable import DISK_FULL

log = structlog.stdlib.get_logger("xmag.api")
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = {423: 5, 429: 30, 503: 10}


class Problem(BaseModel):
    """An error. Branch on ``code``: it never changes; ``detail`` is for people."""

    type: str = Field(default="about:blank", examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["The file does not say its resolution. Send it in the field mpp (µm per pixel)."])
    code: str = Field(examples=["mpp_missing"])
    origin: Origin = Field(examples=["user"])
    retryable: bool = Field(examples=[False], description="the same request may succeed later")
    cause: str | None = Field(default=None, description="for a job without a result: the code of its error")
    retry_after_s: int | None = Field(default=None, description="as the header Retry-After")
    upload_offset: int | None = Field(default=None, description="expected offset, if a piece started at another one")


def _described(text: str) -> dict[str, Any]:
    return {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: _described(text)
    for status, text in {
        400: "The body ended early or does not parse",
        401: "No valid key",
        403: "Not allowed",
        404: "No such job, upload or model, or none of that in the result",
        408: "The upload stalled",
        409: "Not in this state",
        410: "The job was erased",
        412: "Another version of the protocol",
        413: "Too large",
        415: "Not a slide",
        422: "Unusable",
        423: "Another request writes it",
        429: "The queue is full, or too many refused credentials came from this address",
        503: "Draining, disk low, or the queue or the identity provider is down",
    }.items()
}
ANY_OTHER: dict[int | str, dict[str, Any]] = {"default": _described("Any other refusal or failure, such as 405 or 500")}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the problems that a route may answer; where a key is needed, what refusing may become too."""
    if 401 in statuses:
        statuses = (*dict.fromkeys((*statuses, 429, 503)),)
    return {status: PROBLEM_RESPONSES[status] for status in statuses}


def problem_response(error: XmagError) -> JSONResponse:
    """The response for a typed error."""
    wait_s = error.details.get("retry_after_s", RETRY_AFTER_S.get(error.status))
    headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, ContentEncodingError):
        headers["Accept-Encoding"] = "identity"  # RFC 9110, 15.5.16
    known = {
        "title": _title(error.status),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "origin": error.origin,
        "retryable": error.retryable,
    }
    problem = Problem.model_validate(known | error.details)
    return JSONResponse(problem.model_dump(exclude_none=True), error.status, headers, media_type=MEDIA_TYPE)


def logged_response(error: XmagError) -> JSONResponse:
    """The same, with a line in the log where the fault is ours."""
    if error.status >= 500:
        log.error("request.failed", code=error.code, reason=error.message)
    return problem_response(error)


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def install_problem_handlers(app: FastAPI) -> None:
    """Every error that leaves the application is a problem document."""

    @app.exception_handler(XmagError)
    async def typed(_: Request, error: XmagError) -> JSONResponse:
        return logged_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        parts = (f"{'.'.join(map(str, e['loc'][1:])) or e['loc'][0]}: {e['msg']}" for e in error.errors())
        return problem_response(RequestInvalidError("; ".join(parts)))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        title = _title(error.status_code)
        problem = Problem(
            title=title,
            status=error.status_code,
            detail=str(error.detail),
            code=title.lower().replace(" ", "_"),
            origin="user" if error.status_code < 500 else "system",
            retryable=False,
        )
        content = problem.model_dump(exclude_none=True)
        return JSONResponse(content, error.status_code, error.headers, media_type=MEDIA_TYPE)

    @app.exception_handler(OSError)
    async def disk_full(_: Request, error: OSError) -> JSONResponse:
        if error.errno not in DISK_FULL:
            raise error
        return logged_response(DiskLowError("The server's disk is full. Free space, or try again later."))

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, __: Exception) -> JSONResponse:  # the server logs it with its traceback
        return problem_response(InternalError("Something went wrong on our side. The log has more."))

"""Errors as problem documents (RFC 9457): type, title, status, detail, and a stable code."""

import http

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

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    origin: Origin
    retryable: bool = Field(description="the same request may succeed later")
    cause: str | None = Field(default=None, description="for a job without a result: the code of its error")
    retry_after_s: int | None = Field(default=None, description="as the header Retry-After")
    upload_offset: int | None = Field(default=None, description="expected offset, if a piece started at another one")


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

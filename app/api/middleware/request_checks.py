"""What every route refuses: doubled headers, compressed bodies, query parameters that it does not know.

A part of a request that is passed over in silence can turn a stat job into a routine one, or one case into another.
"""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import logged_response
from app.errors import ContentEncodingError, NotHttpError, RequestInvalidError, XmagError

ONCE = frozenset(
    {
        "authorization",
        "content-type",
        "host",
        "idempotency-key",
        "origin",
        "tus-resumable",
        "upload-length",
        "upload-metadata",
        "upload-offset",
        "x-csrf-token",
    }
)
"""Headers with a single value. If one is sent twice, readers disagree about which value counts."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class RequestChecks:
    """ASGI middleware: refuses doubled headers and encoded bodies. Query parameters: see ``check_query``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            try:
                _check_headers(scope["method"], Headers(scope=scope))
            except XmagError as error:
                await logged_response(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _check_headers(method: str, headers: Headers) -> None:
    for name, count in Counter(headers.keys()).items():
        if count > 1 and name in ONCE:
            kind = NotHttpError if name == "host" else RequestInvalidError  # RFC 9112, 3.2
            raise kind(f"The header {name.title()} was sent twice. Send it once.")
    if method in _WITH_BODY:
        _check_encoding("Content-Encoding", headers.getlist("content-encoding"), plain="identity")
    _check_encoding("Transfer-Encoding", headers.getlist("transfer-encoding"), plain="chunked")


def _check_encoding(header: str, values: list[str], *, plain: str) -> None:
    used = {coding.strip().lower() for value in values for coding in value.split(",")} - {"", plain}
    if used:
        shown = ", ".join(sorted(used))[:80]
        raise ContentEncodingError(f"{header}: {shown} is not supported. Send the body uncompressed.")


async def check_query(request: Request) -> None:
    """RequestInvalidError for a query parameter that the route does not declare, or that comes twice.

    A dependency of the whole application; a coroutine, since it never blocks.
    """
    raw = request.scope["query_string"]
    if not raw:
        return
    try:
        sent = [name for name, _ in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="strict")]
    except ValueError as error:
        raise RequestInvalidError("The query string is not percent-encoded UTF-8.") from error
    known = sorted(set(_declared(request.scope["route"].dependant)))
    for name, count in Counter(sent).items():
        if name not in known:
            what = f"Known: {', '.join(known)}." if known else "It has none."
            where = " Fields of a form or of JSON go in the body." if request.method in _WITH_BODY else ""
            raise RequestInvalidError(f"{name[:80]!r} is not a query parameter of this address. {what}{where}")
        if count > 1:
            raise RequestInvalidError(f"The query parameter {name} was sent twice. Send it once.")


def _declared(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (info.alias or name for name, info in model.model_fields.items())
        else:
            yield field.alias
    for part in dependant.dependencies:
        yield from _declared(part)

"""A name for each request, in its log lines, its answer (`X-Request-ID`) and in those of the job that it makes."""

import re
import uuid

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A client's own is taken if it is a UUID or the like: anything freer could be a patient's name, and goes into logs.
_FORM = re.compile(r"^[0-9a-fA-F-]{16,64}$")


class RequestId:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        name = sent if _FORM.match(sent) else str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = name

        async def with_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"x-request-id", name.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request=name):
            await self.app(scope, receive, with_name)

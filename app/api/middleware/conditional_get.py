"""Answers without their body: to HEAD, and 304 to whoever has the same already (RFC 9110, 9.3.2 and 13.1.2).

The route answers as to a GET, so that status, headers, rights and the audit log are the same; only the bytes are left
out.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_A_BODY = frozenset({b"content-length", b"content-type", b"content-disposition", b"content-encoding"})


class Bodiless:
    """ASGI middleware. ``own_head``: the address of what answers HEAD itself (tus)."""

    def __init__(self, app: ASGIApp, own_head: str) -> None:
        self.app, self._own_head = app, own_head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD" and not scope["path"].startswith(self._own_head)
        if scope["type"] != "http" or not (is_head or scope["method"] == "GET"):
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match")
        is_answered = False

        async def with_body_or_without(message: Message) -> None:
            nonlocal is_answered
            if is_answered:
                return
            if message["type"] == "http.response.start":
                is_known = message["status"] == 200 and known is not None and has_already(known, _tag(message))
                if is_known:
                    kept = [(name, value) for name, value in message["headers"] if name.lower() not in _OF_A_BODY]
                    message = {**message, "status": 304, "headers": kept}
                is_answered = is_known or is_head
                scope["method"] = "HEAD" if is_head else "GET"  # the server counts the bytes that it expects by this
            await send(message)
            if is_answered:
                await send({"type": "http.response.body", "body": b""})

        async def until_answered() -> Message:
            return {"type": "http.disconnect"} if is_answered else await receive()  # ends what streams for ever

        if is_head:
            scope["method"] = "GET"  # not in a copy: the router writes down the route in this one
        try:
            await self.app(scope, until_answered, with_body_or_without)
        finally:  # also for whoever answers in its place
            scope["method"] = "HEAD" if is_head else "GET"


def _tag(message: Message) -> str | None:
    return Headers(raw=message["headers"]).get("etag")


def has_already(known: str, tag: str | None) -> bool:
    """Whether the If-None-Match ``known`` names what has ``tag``; weakly compared, as the RFC wants."""
    sent = {part.strip().removeprefix("W/") for part in known.split(",")}
    return tag is not None and ("*" in sent or tag.removeprefix("W/") in sent)

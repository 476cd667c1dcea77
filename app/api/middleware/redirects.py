"""Relative redirects that add or remove the last slash; they are correct behind any proxy."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RelativeRedirects:
    """ASGI middleware: makes redirects relative, because the router does not know a proxy's host and prefix."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def relative(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 307:
                headers = MutableHeaders(scope=message)
                headers["location"] = _relative(headers["location"])
            await send(message)

        await self.app(scope, receive, relative)


def _relative(location: str) -> str:
    parts = urlsplit(location)
    last = parts.path.rstrip("/").rpartition("/")[2]
    path = f"./{last}/" if parts.path.endswith("/") else f"../{last}"
    return f"{path}?{parts.query}" if parts.query else path

"""Who may ask. Without keys only this machine's own programs are users: a web page in its browser is not.

A page of another site can make the browser send requests to loopback; it cannot hide where it comes from. So a
foreign Origin is refused, and a foreign Host too (a name made to point here: DNS rebinding). Pages of other programs
on this machine, at other ports, are foreign as well.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.keys import KeyStore
from app.access.own_page import SAFE_METHODS, is_own_origin, is_own_site
from app.api.problems import problem_response
from app.errors import ForbiddenError
from app.settings import is_loopback

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
        b"form-action 'self'",
    ),
)


class Guard:
    """ASGI middleware: security headers on all answers; without keys, 403 for a foreign Host or Origin."""

    def __init__(self, app: ASGIApp, keys: KeyStore, public_url: str = "") -> None:
        self.app = app
        self.keys, self.public_url = keys, public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                own = {name.lower() for name, _ in given}  # a page or file may say otherwise itself
                message["headers"] = [*given, *(header for header in HEADERS if header[0] not in own)]
            await send(message)

        if not self.keys.in_use() and _is_foreign(scope, self.public_url):
            refusal = ForbiddenError(
                "Without API keys this server answers programs on this machine only (the address, Host or Origin is "
                "foreign). Make a key: xmag keys create NAME."
            )
            await problem_response(refusal)(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)


def _is_foreign(scope: Scope, public_url: str) -> bool:
    """Whether an address or host is foreign. Other machines cannot forge the address, nor pages the headers.

    A proxy on this machine may speak for others: an address that it reports counts, trusted or not.
    """
    headers, client = Headers(scope=scope), scope.get("client")
    if client is not None and not _is_loopback_address(client[0]):
        return True
    told = ",".join(headers.getlist("x-forwarded-for"))
    if told and not all(_is_loopback_address(part.strip()) for part in told.split(",")):
        return True
    if not _is_known(f"//{headers.get('host', '')}"):
        return True
    if not is_own_origin(headers, scope.get("scheme", "http"), public_url):
        return True
    return scope["method"] not in SAFE_METHODS and not is_own_site(headers)


def _is_loopback_address(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_known(url: str) -> bool:
    try:
        name = urlsplit(url).hostname
    except ValueError:  # not an address at all
        return False
    return name is not None and is_loopback(name)

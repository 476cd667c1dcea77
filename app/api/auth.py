"""Who is asking: a key's or token's bearer, a session's cookie, or anybody on this machine while none is needed."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from app.access.audit import Actor
from app.access.identity import Identity
from app.access.keys import SCOPES, Scope
from app.access.own_page import SAFE_METHODS, is_own_page
from app.access.sessions import COOKIE, CSRF_HEADER, Session
from app.api.services import Services, ServicesDep
from app.errors import ForbiddenError, IdentityUnavailableError, QueueUnavailableError, UnauthenticatedError
from app.records.record import NOBODY, Holder

_bearer = HTTPBearer(
    auto_error=False,
    description="a key made by `xmag keys create`, or an OpenID provider's token. An operation names the scopes that "
    "open it: one of them is enough, and admin opens all.",
)
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="a session of POST /session; the pages use it")


class SessionEndedError(UnauthenticatedError):
    """Not a guess at a key: an open page whose session ended must not lock out its neighbours."""


@dataclass(frozen=True)
class Caller:
    """``tenant``: whose jobs are seen; "" on a server without keys. ``actor``: for the audit log.

    ``owner``: the key or token holder, as records and limits name it (opaque, stable, no secret); "" without keys.
    """

    owner: str
    tenant: str
    scopes: tuple[Scope, ...]
    actor: Actor

    @property
    def holder(self) -> Holder:
        """Owner of the jobs and uploads that the caller makes."""
        return Holder(self.tenant, self.owner)

    @property
    def is_admin(self) -> bool:
        """Whether the caller has every scope, for the jobs of every tenant."""
        return "admin" in self.scopes

    @property
    def listed(self) -> str | None:
        """The tenant whose jobs GET /jobs lists; None for all."""
        return None if self.is_admin else self.tenant

    def has(self, *scopes: Scope) -> bool:
        """Whether the caller has one of the scopes."""
        return self.is_admin or not set(scopes).isdisjoint(self.scopes)

    def reads(self, holder: Holder) -> bool:
        """Whether the caller may read all of the holder's jobs."""
        return self.has("read") and self._is_of(holder.tenant)

    def follows(self, holder: Holder) -> bool:
        """Whether the caller may see state and progress of the holder's jobs; always true for its own jobs."""
        return self.reads(holder) or (self.has("submit") and holder == self.holder)

    def erases(self, holder: Holder) -> bool:
        """Whether the caller may erase the holder's jobs."""
        return self.has("erase") and self._is_of(holder.tenant)

    def _is_of(self, tenant: str) -> bool:
        return self.is_admin or tenant == self.tenant


def caller_of(identity: Identity, address: str) -> Caller:
    """An identity as the one who asks, from ``address``."""
    return Caller(identity.owner, identity.tenant, identity.scopes, Actor(identity.actor, address))


def address_of(request: Request) -> str:
    """The client's address; through a trusted proxy, the one that it tells."""
    return request.client.host if request.client is not None else ""


def check_own_page(request: Request, services: Services) -> None:
    """ForbiddenError when a browser says that a page of another site sent the request.

    Browsers say so in Sec-Fetch-Site where the connection is protected, else in Origin; programs say nothing.
    """
    if not is_own_page(request.headers, request.scope["scheme"], services.settings.public_url):
        raise ForbiddenError("Another site's page sent this request. Open the service's own page.")


def check_csrf(request: Request, services: Services, session: Session) -> None:
    """ForbiddenError unless what changes something carries the session's token, which no other site can read."""
    if request.method in SAFE_METHODS:
        return
    check_own_page(request, services)
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
        raise ForbiddenError(f"With a session, send the csrf of GET /session as {CSRF_HEADER}.")


def find_caller(request: Request, services: Services) -> Caller:
    """Who sent ``request``. Blocks.

    UnauthenticatedError, ForbiddenError (CSRF; token without tenant), IdentityUnavailableError, QueueUnavailableError.
    """
    address = address_of(request)
    if not services.access.keys.in_use():
        return Caller(NOBODY.owner, NOBODY.tenant, SCOPES, Actor("local", address))
    if "authorization" in request.headers or COOKIE not in request.cookies:
        return caller_of(services.access.identify(credential_of(request)), address)
    session = services.access.sessions.find(request.cookies[COOKIE])
    if session is None:
        raise SessionEndedError("The session has ended. Log in again.")
    check_csrf(request, services, session)
    return caller_of(session.identity, address)


ASK_AGAIN_S = 5.0
"""A stream lasts for hours: a key that is revoked, or a session that ends, ends it that soon."""


def still_welcome(request: Request, services: Services, may: Callable[[Caller], bool]) -> bool:
    """Whether the sender of an earlier ``request`` still has access: keys are revoked, sessions and tokens expire."""
    try:
        caller = find_caller(request, services)
    except (UnauthenticatedError, ForbiddenError):
        return False
    except (IdentityUnavailableError, QueueUnavailableError):
        return True  # who was let in stays while nobody can be asked
    return may(caller)


def credential_of(request: Request) -> str | None:
    """What was sent as `Authorization: Bearer`."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None


def _caller(
    request: Request,
    services: ServicesDep,
    _header: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    _session: Annotated[str | None, Security(_cookie)],
) -> Caller:
    """The two securities stand here for the reference; both are looked at in ``find_caller``."""
    try:
        return find_caller(request, services)
    except SessionEndedError:
        raise
    except UnauthenticatedError as error:
        raise services.access.refusal(address_of(request), error) from error


async def _check_scope(wanted: SecurityScopes, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    """Requires one of the scopes ``wanted``."""
    scopes = cast("list[Scope]", wanted.scopes)
    if not caller.has(*scopes):
        raise ForbiddenError(f"The key or token lacks the scope {' or '.join(scopes)}.")
    return caller


Anybody = Annotated[Caller, Depends(_caller)]
"""Any caller with a valid credential; the route checks the scopes."""
Sender = Annotated[Caller, Security(_check_scope, scopes=["submit"])]
Poller = Annotated[Caller, Security(_check_scope, scopes=["submit", "read"])]
Reader = Annotated[Caller, Security(_check_scope, scopes=["read"])]
Remover = Annotated[Caller, Security(_check_scope, scopes=["erase"])]

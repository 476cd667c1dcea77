"""Who is asking: a key or token sent as `Authorization: Bearer`, or anybody on this machine while neither is needed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.services import Services, ServicesDep
from app.audit import Actor
from app.errors import ForbiddenError, TooManyFailuresError, UnauthenticatedError
from app.jobs.record import JobRequest
from app.keys import PREFIX, SCOPES, Scope

log = structlog.stdlib.get_logger("xmag.api")
_bearer = HTTPBearer(auto_error=False, description="a key made by `xmag keys create`, or an OpenID provider's token")


@dataclass(frozen=True)
class Caller:
    """``tenant``: whose jobs are seen; "" on a server without keys. ``actor``: for the audit log."""

    tenant: str
    scopes: tuple[Scope, ...]
    actor: Actor

    def may_see(self, tenant: str) -> bool:
        """Whether a tenant's jobs are the caller's; an admin sees all."""
        return "admin" in self.scopes or tenant == self.tenant

    def sees(self, request: JobRequest) -> bool:
        """Whether the job is the caller's."""
        return self.may_see(request.tenant)


def _caller(
    request: Request,
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    address = request.client.host if request.client is not None else ""
    if not services.keys.in_use():
        return Caller("", SCOPES, Actor("local", address))
    try:
        return _identified(services, credentials.credentials if credentials else None, address)
    except UnauthenticatedError as error:
        wait_s = services.failures.count(address)
        if wait_s is None:
            log.warning("refused", address=address, reason=error.message)
            raise
        raise TooManyFailuresError(
            f"Too many requests with no key or a wrong one came from this address. Wait {wait_s} s, and correct it.",
            retry_after_s=wait_s,
        ) from error


def _identified(services: Services, token: str | None, address: str) -> Caller:
    if token is None:
        raise UnauthenticatedError("A key is needed: send it as Authorization: Bearer KEY.")
    if services.tokens is not None and not token.startswith(PREFIX):
        bearer = services.tokens.verify(token)
        return Caller(bearer.tenant, bearer.scopes, Actor(f"token:{bearer.subject}", address))
    key = services.keys.find(token)
    if key is None:
        raise UnauthenticatedError("The key is not known here, or was revoked.")
    return Caller(key.tenant, key.scopes, Actor(f"key:{key.name}", address))


def _needs(scope: Scope) -> Callable[[Caller], Caller]:
    def check(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if scope not in caller.scopes and "admin" not in caller.scopes:
            raise ForbiddenError(f"The key or token lacks the scope {scope}.")
        return caller

    return check


Analyst = Annotated[Caller, Depends(_needs("analyze"))]
Reader = Annotated[Caller, Depends(_needs("read"))]

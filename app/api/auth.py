"""Who is asking: a key sent as `Authorization: Bearer`, or anybody on this machine while there are no keys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.services import ServicesDep
from app.errors import ForbiddenError, UnauthenticatedError
from app.jobs.record import JobRequest
from app.keys import SCOPES, Scope

_bearer = HTTPBearer(auto_error=False, description="a key made by `xmag keys create`")


@dataclass(frozen=True)
class Caller:
    """``tenant``: whose jobs are seen; "" on a server without keys."""

    tenant: str
    scopes: tuple[Scope, ...]

    def may_see(self, tenant: str) -> bool:
        """Whether a tenant's jobs are the caller's; an admin sees all."""
        return "admin" in self.scopes or tenant == self.tenant

    def sees(self, request: JobRequest) -> bool:
        """Whether the job is the caller's."""
        return self.may_see(request.tenant)


def _caller(
    services: ServicesDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller:
    if not services.keys.in_use():
        return Caller("", SCOPES)
    if credentials is None:
        raise UnauthenticatedError("A key is needed: send it as Authorization: Bearer KEY.")
    key = services.keys.find(credentials.credentials)
    if key is None:
        raise UnauthenticatedError("The key is not known here, or was revoked.")
    return Caller(key.tenant, key.scopes)


def _needs(scope: Scope) -> Callable[[Caller], Caller]:
    def check(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if scope not in caller.scopes and "admin" not in caller.scopes:
            raise ForbiddenError(f"The key lacks the scope {scope}.")
        return caller

    return check


Analyst = Annotated[Caller, Depends(_needs("analyze"))]
Reader = Annotated[Caller, Depends(_needs("read"))]

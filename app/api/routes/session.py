"""A session for a browser: a key or token is sent once, and exchanged for a cookie that scripts cannot read."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.access.audit import Actor, Event
from app.access.identity import Identity
from app.access.keys import SCOPES, Scope
from app.access.own_page import origin_of
from app.access.sessions import COOKIE
from app.api.auth import address_of, check_csrf, check_own_page, credential_of
from app.api.body.headers import media_type
from app.api.body.json_body import read_json, validated
from app.api.reference.refusals import A_BODY, ACCESS, responses
from app.api.services import Services, ServicesDep
from app.errors import (
    DiskLowError,
    ForbiddenError,
    IdentityUnavailableError,
    QueueUnavailableError,
    RequestInvalidError,
    TooManyFailuresError,
    UnauthenticatedError,
)

router = APIRouter(prefix="/session", tags=["session"])


class Credential(BaseModel):
    """What opens a session."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=16_384)] = Field(
        description="a key made by `xmag keys create`, or a token of the OpenID provider"
    )


class SessionView(BaseModel):
    """Whether somebody is logged in, and as whom."""

    authenticated: bool
    required: bool = Field(description="whether a key is needed at all")
    name: str | None = Field(description="the key's name, or the token's subject")
    scopes: list[Scope]
    tenant: str | None
    csrf: str = Field(description="send it as X-CSRF-Token with requests that change something; empty without a cookie")


NOBODY = SessionView(authenticated=False, required=True, name=None, scopes=[], tenant=None, csrf="")
LOCAL = SessionView(authenticated=True, required=False, name="local", scopes=list(SCOPES), tenant="", csrf="")


async def _credential(request: Request, services: ServicesDep) -> Credential:
    check_own_page(request, services)
    if media_type(request) != "application/json":
        raise RequestInvalidError("Send the key as application/json.")  # what no foreign form can
    return validated(Credential, await read_json(request, services.settings), is_strict=True)


@router.post(
    "",
    status_code=204,
    summary="Log in",
    responses=responses(*ACCESS, *A_BODY, DiskLowError),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": Credential.model_json_schema()}}}
    },
)
def log_in(
    credential: Annotated[Credential, Depends(_credential)], request: Request, response: Response, services: ServicesDep
) -> None:
    """A key or token in exchange for a cookie. An earlier session of this browser ends; session IDs are never reused.

    A server without keys has no login and sets no cookie.
    """
    if not services.access.keys.in_use():
        return
    address = address_of(request)
    try:
        identity = services.access.identify(credential.key)
    except UnauthenticatedError as error:
        raise services.access.refusal(address, error) from error
    services.audit.append(Event("session.open", Actor(identity.actor, address), tenant=identity.tenant))
    services.access.sessions.end(request.cookies.get(COOKIE))
    cookie, lasts_s = services.access.sessions.open(identity)
    path, is_secure = cookie_place(request, services)
    response.set_cookie(COOKIE, cookie, max_age=lasts_s, path=path, secure=is_secure, httponly=True, samesite="strict")


@router.get(
    "",
    summary="Who is logged in",
    operation_id="get_session",
    responses=responses(TooManyFailuresError, IdentityUnavailableError, QueueUnavailableError),
)
def look(request: Request, response: Response, services: ServicesDep) -> SessionView:
    """Answers callers that are not logged in as well: `authenticated` is then false."""
    response.headers["Cache-Control"] = "no-store"
    if not services.access.keys.in_use():
        return LOCAL
    if "authorization" in request.headers:
        try:
            return _view(services.access.identify(credential_of(request)), "")
        except UnauthenticatedError as error:
            raise services.access.refusal(address_of(request), error) from error
    session = services.access.sessions.find(request.cookies.get(COOKIE))
    return NOBODY if session is None else _view(session.identity, session.csrf)


@router.delete(
    "", status_code=204, summary="Log out", responses=responses(ForbiddenError, QueueUnavailableError, DiskLowError)
)
def log_out(request: Request, response: Response, services: ServicesDep) -> None:
    """The cookie is no longer valid, and the browser clears its cached images."""
    cookie = request.cookies.get(COOKIE)
    session = services.access.sessions.find(cookie)
    if session is not None:
        check_csrf(request, services, session)
        actor = Actor(session.identity.actor, address_of(request))
        services.audit.append(Event("session.close", actor, tenant=session.identity.tenant))
        services.access.sessions.end(cookie)
    path, is_secure = cookie_place(request, services)
    response.delete_cookie(COOKIE, path=path, secure=is_secure, httponly=True, samesite="strict")
    response.headers["Clear-Site-Data"] = '"cache"'


def cookie_place(request: Request, services: Services) -> tuple[str, bool]:
    """The cookie's path, and whether it is sent over TLS only: both from the public address, if the request used it."""
    public, is_tls = urlsplit(services.settings.public_url), request.url.scheme == "https"
    own = origin_of(f"{public.scheme}://{public.netloc}")
    if own is None or origin_of(f"{public.scheme}://{request.headers.get('host', '')}") != own:
        return "/", is_tls
    return public.path or "/", is_tls or public.scheme == "https"


def _view(identity: Identity, csrf: str) -> SessionView:
    return SessionView(
        authenticated=True,
        required=True,
        name=identity.name,
        scopes=list(identity.scopes),
        tenant=identity.tenant,
        csrf=csrf,
    )

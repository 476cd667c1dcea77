"""Tokens of an OpenID provider: who sent one, of which tenant, and with which scopes.

Sources: RFC 7519 (JWT), RFC 8725 (its best current practices), RFC 9068 (access tokens).
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.exceptions import InvalidTokenError, PyJWTError

from app.access.jwks import KeySet
from app.access.keys import SCOPES, Scope
from app.errors import ForbiddenError, UnauthenticatedError
from app.settings import Settings

TENANT = "default"
NAME_MAX = 200
TOKEN_MAX_CHARS = 16_384
TIME_END_S = 253_402_300_800
"""The year 10000; later times are invalid."""
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}


@dataclass(frozen=True)
class TokenBearer:
    """Who a token speaks for: the provider's ``sub``, the tenant, the scopes, and until when (seconds since 1970).

    ``owner``: hash of issuer and ``sub``, the same for every token of the person or program.
    """

    subject: str
    owner: str
    tenant: str
    scopes: tuple[Scope, ...]
    expires_at: float


class TokenVerifier:
    """Checks tokens as the settings say. Blocks while the provider's keys are fetched."""

    def __init__(self, settings: Settings, issuer: str) -> None:
        self._settings, self._issuer = settings, issuer
        self._keys = KeySet(issuer, settings.oidc_jwks_url)

    def verify(self, token: str) -> TokenBearer:
        """The bearer. UnauthenticatedError, ForbiddenError (no tenant), IdentityUnavailableError."""
        settings = self._settings
        header = _header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in settings.oidc_algorithms or str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise UnauthenticatedError("The token's type or signature algorithm is not accepted.")
        key = self._keys.find(kid, algorithm)
        if key is None:
            raise UnauthenticatedError("The token is signed with a key that the OpenID provider does not publish.")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=settings.oidc_audience,
                leeway=settings.oidc_leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
        except InvalidTokenError as error:
            raise UnauthenticatedError(f"The token is not valid here: {error}.") from error
        except PyJWTError as error:
            raise UnauthenticatedError("The token cannot be checked: its key does not fit.") from error
        subject, expires_at = claims["sub"], claims["exp"]
        if not _is_text(subject):
            raise UnauthenticatedError("The token's sub is empty or not Unicode text.")
        if not isinstance(expires_at, int | float) or not 0 < expires_at < TIME_END_S:
            raise UnauthenticatedError("The token's exp is not a time in seconds since 1970.")
        return TokenBearer(
            subject[:NAME_MAX],
            self._owner(subject),
            self._tenant(claims),
            self._scopes(claims),
            float(expires_at),
        )

    def _owner(self, subject: str) -> str:
        digest = hashlib.sha256(json.dumps([self._issuer, subject]).encode()).hexdigest()
        return f"token:{digest[:32]}"

    def _scopes(self, claims: dict[str, Any]) -> tuple[Scope, ...]:
        value = _inner(claims, self._settings.oidc_scope_claim)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        return tuple(scope for scope in SCOPES if self._settings.oidc_scope_prefix + scope in words)

    def _tenant(self, claims: dict[str, Any]) -> str:
        claim = self._settings.oidc_tenant_claim
        if claim is None:
            return TENANT
        value = _inner(claims, claim)
        if not isinstance(value, str) or not _is_text(value) or len(value) > NAME_MAX:
            raise ForbiddenError(f"The token names no tenant (claim {claim}).")
        return value


def _header(token: str) -> dict[str, Any]:
    """The token's header, not yet verified. UnauthenticatedError if it is not one."""
    if len(token) > TOKEN_MAX_CHARS:
        raise UnauthenticatedError("The token is too long.")
    try:
        return jwt.get_unverified_header(token)
    except PyJWTError as error:
        raise UnauthenticatedError("The token's header cannot be read.") from error


def _is_text(value: str) -> bool:
    """Whether it is not empty and can be encoded as UTF-8 (JSON allows lone surrogates)."""
    return bool(value) and not any("\ud800" <= character <= "\udfff" for character in value)


def _inner(claims: dict[str, Any], name: str) -> object:
    """``claims[name]``, or what the dots in ``name`` lead to (``realm_access.roles``)."""
    if name in claims:  # some providers' claims are addresses, with dots of their own
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value

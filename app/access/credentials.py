"""Whose a credential is: an API key, or an OpenID provider's token."""

import structlog

from app.access.identity import Identity
from app.access.keys import PREFIX
from app.api.services import Services
from app.errors import TooManyFailuresError, UnauthenticatedError, XmagError

log = structlog.stdlib.get_logger("xmag.api")


def identify(services: Services, credential: str | None) -> Identity:
    """Whose ``credential`` is. UnauthenticatedError, ForbiddenError (no tenant), IdentityUnavailableError."""
    if credential is None:
        raise UnauthenticatedError("A key is needed: send it as Authorization: Bearer KEY, or log in.")
    if services.tokens is not None and not credential.startswith(PREFIX):
        bearer = services.tokens.verify(credential)
        return Identity(
            bearer.subject,
            f"token:{bearer.subject}",
            bearer.owner,
            bearer.tenant,
            bearer.scopes,
            ends_at=bearer.expires_at,
        )
    key = services.keys.find(credential)
    if key is None:
        raise UnauthenticatedError("The key is not known here, or was revoked.")
    return Identity(key.name, f"key:{key.name}", key.owner, key.tenant, key.scopes, key_sha256=key.sha256)


def refusal(services: Services, address: str, error: UnauthenticatedError) -> XmagError:
    """Counts a refused credential; the error to raise: ``error``, or TooManyFailuresError past the limit."""
    wait_s = services.failures.count(address)
    if wait_s is None:
        log.warning("refused", address=address, reason=error.message)
        return error
    return TooManyFailuresError(
        f"Too many requests with no key or a wrong one came from this address. Wait {wait_s} s, and correct it.",
        retry_after_s=wait_s,
    )

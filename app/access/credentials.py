"""Whose a credential is: an API key, or an OpenID provider's token."""

from dataclasses import dataclass

import structlog

from app.access.failures import FailureLimiter
from app.access.identity import Identity
from app.access.keys import PREFIX, KeyStore
from app.access.oidc import TokenVerifier
from app.access.sessions import SessionStore
from app.errors import TooManyFailuresError, UnauthenticatedError, XmagError

log = structlog.stdlib.get_logger("xmag.api")


@dataclass(frozen=True)
class Access:
    """Who may ask. ``tokens``: None without an OpenID provider."""

    keys: KeyStore
    tokens: TokenVerifier | None
    failures: FailureLimiter
    sessions: SessionStore

    def identify(self, credential: str | None) -> Identity:
        """Whose ``credential`` is. UnauthenticatedError, ForbiddenError (no tenant), IdentityUnavailableError."""
        if credential is None:
            raise UnauthenticatedError("A key is needed: send it as Authorization: Bearer KEY, or log in.")
        if self.tokens is not None and not credential.startswith(PREFIX):
            bearer = self.tokens.verify(credential)
            return Identity(
                bearer.subject,
                f"token:{bearer.subject}",
                bearer.owner,
                bearer.tenant,
                bearer.scopes,
                ends_at=bearer.expires_at,
            )
        key = self.keys.find(credential)
        if key is None:
            raise UnauthenticatedError("The key is not known here, or was revoked.")
        return Identity(key.name, f"key:{key.name}", key.owner, key.tenant, key.scopes, key_sha256=key.sha256)

    def refusal(self, address: str, error: UnauthenticatedError) -> XmagError:
        """Counts a refused credential; the error to raise: ``error``, or TooManyFailuresError past the limit."""
        wait_s = self.failures.count(address)
        if wait_s is None:
            log.warning("credential.refused", address=address, reason=error.message)
            return error
        return TooManyFailuresError(
            f"Too many requests with no key or a wrong one came from this address. Wait {wait_s} s, and correct it.",
            retry_after_s=wait_s,
        )

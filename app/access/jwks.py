"""An OpenID provider's public keys: fetched when needed, kept for a while, and asked for again when a new one appears.

Sources: RFC 7517 (JSON Web Key), OpenID Connect Discovery 1.0, section 4.
"""

import json
import ssl
import threading
import time
from urllib.parse import urlsplit

import httpx
import structlog
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from app.errors import IdentityUnavailableError

log = structlog.stdlib.get_logger("xmag.api")
FRESH_S = 3600.0
KEEP_S = 86_400.0
"""Keys are used that long when the provider is away: a hospital's identity server may restart at night."""
REFRESH_PAUSE_S, FIRST_PAUSE_S = 30.0, 2.0
"""Anybody can send tokens that name unknown keys; they must not make us flood the provider."""
TIMEOUT_S = 5.0
FIRST_WAIT_S = 2 * TIMEOUT_S
"""How long a request waits for another's first fetch (discovery, then keys)."""
ANSWER_MAX_BYTES = 256 * 1024


class KeySet:
    """The provider's keys: those at ``jwks_url``, or where the issuer's discovery document says.

    Thread-safe; one thread at a time asks the provider, and no other waits for it.
    """

    def __init__(self, issuer: str, jwks_url: str | None) -> None:
        self._issuer, self._jwks_url = issuer, jwks_url
        self._keys: tuple[PyJWK, ...] = ()
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = threading.Lock()

    def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """The signing key named ``kid`` (without a name: the only one for ``algorithm``); None if there is none.

        IdentityUnavailableError when the provider gives no keys and none are kept.
        """
        age_s = time.monotonic() - self._fetched_at
        found = self._look(kid, algorithm)
        if (found is None or age_s > FRESH_S) and self._refresh():
            found = self._look(kid, algorithm)
        if time.monotonic() - self._fetched_at > KEEP_S:
            raise IdentityUnavailableError("The OpenID provider does not give its keys. Try again, or use an API key.")
        return found

    def _look(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """A key is for one algorithm: the one it states, else RS256 or its curve's."""
        fit = [key for key in self._keys if key.algorithm_name == algorithm]
        if kid is None:
            return fit[0] if len(fit) == 1 else None
        return next((key for key in fit if key.key_id == kid), None)

    def _refresh(self) -> bool:
        """Whether the keys were fetched just now."""
        if not self._fetching.acquire(timeout=0.0 if self._keys else FIRST_WAIT_S):
            return False
        try:
            pause_s = REFRESH_PAUSE_S if self._keys else FIRST_PAUSE_S
            if time.monotonic() - self._tried_at < pause_s:
                return bool(self._keys)
            try:
                self._keys = fetch_keys(self._issuer, self._jwks_url)
            finally:
                self._tried_at = time.monotonic()  # when it ended: those who waited must not each ask once more
            self._fetched_at = time.monotonic()
            log.info("identity.keys_fetched", keys=len(self._keys))
        except IdentityUnavailableError as error:
            log.error("identity.unavailable", reason=error.message)
            return False
        finally:
            self._fetching.release()
        return True


def fetch_keys(issuer: str, jwks_url: str | None) -> tuple[PyJWK, ...]:
    """The signing keys that the provider publishes now. IdentityUnavailableError says why there are none."""
    found = _get(jwks_url or _discover(issuer))
    try:
        keys = PyJWKSet.from_dict(found).keys
    except (PyJWTError, TypeError, ValueError) as error:
        raise _no_keys(f"its key set cannot be read ({error})") from error
    usable = tuple(key for key in keys if key.public_key_use in {None, "sig"} and key.key_type != "oct")
    if not usable:
        raise _no_keys("its key set holds no signing key that can be used")
    return usable


def _discover(issuer: str) -> str:
    document = _get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise _no_keys("its issuer differs from XMAG_OIDC_ISSUER")
    url = document.get("jwks_uri")
    if not isinstance(url, str) or urlsplit(url).scheme != urlsplit(issuer).scheme:
        raise _no_keys("its jwks_uri is missing, or less protected than itself")
    return url


def _get(url: str) -> dict[str, object]:
    """No redirect is followed: it may lead anywhere. The system's authorities are trusted, or SSL_CERT_FILE's."""
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT_S, verify=ssl.create_default_context()) as answer:
            if answer.status_code != httpx.codes.OK:
                raise _no_keys(f"it answered {answer.status_code}")
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > ANSWER_MAX_BYTES:
                    raise _no_keys("its answer is too long")
        found = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _no_keys(f"no answer that can be read ({type(error).__name__}: {error})") from error
    if not isinstance(found, dict):
        raise _no_keys("its answer is not an object")
    return found


def _no_keys(reason: str) -> IdentityUnavailableError:
    return IdentityUnavailableError(f"The OpenID provider does not publish usable keys: {reason}.")

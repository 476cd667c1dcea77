"""An OpenID provider's public keys: fetched when needed, kept for a while, and asked for again when a new one appears.

Sources: RFC 7517 (JSON Web Key), OpenID Connect Discovery 1.0, section 4.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import cast
from urllib.parse import urlsplit

import structlog
from jwt import PyJWK
from jwt.algorithms import AllowedPublicKeys
from jwt.exceptions import PyJWTError

from app.errors import IdentityUnavailableError, SetupError

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


def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS alone, through the environment's proxy; a redirect is an error: it may lead anywhere."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


@dataclass(frozen=True)
class SigningKey:
    """One public key of the set. ``algorithm``: the only one it is for, where the provider says so."""

    kid: str | None
    kind: str
    algorithm: str | None
    key: AllowedPublicKeys

    def fits(self, algorithm: str) -> bool:
        """Whether it may check a signature of ``algorithm`` (a key of another kind must never be tried)."""
        kind = "OKP" if algorithm == "EdDSA" else "EC" if algorithm.startswith("ES") else "RSA"
        return self.kind == kind and self.algorithm in {None, algorithm}


@dataclass(frozen=True)
class Provider:
    """Where the keys are: ``jwks_url``, or as the issuer's discovery document says."""

    issuer: str
    jwks_url: str | None = None


class KeySet:
    """The provider's keys. Thread-safe; one thread at a time asks the provider, and no other waits for it."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._keys: tuple[SigningKey, ...] = ()
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = threading.Lock()

    def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
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

    def _look(self, kid: str | None, algorithm: str) -> SigningKey | None:
        fit = [key for key in self._keys if key.fits(algorithm)]
        if kid is None:
            return fit[0] if len(fit) == 1 else None
        return next((key for key in fit if key.kid == kid), None)

    def _refresh(self) -> bool:
        """Whether the keys were fetched just now."""
        if not self._fetching.acquire(timeout=0.0 if self._keys else FIRST_WAIT_S):
            return False
        try:
            pause_s = REFRESH_PAUSE_S if self._keys else FIRST_PAUSE_S
            if time.monotonic() - self._tried_at < pause_s:
                return bool(self._keys)
            try:
                self._keys = _fetch(self._provider)
            finally:
                self._tried_at = time.monotonic()  # when it ended: those who waited must not each ask once more
            self._fetched_at = time.monotonic()
            log.info("keys of the identity provider fetched", keys=len(self._keys))
        except _NoKeysError as error:
            log.error("identity provider unavailable", reason=str(error))
            return False
        finally:
            self._fetching.release()
        return True


class _NoKeysError(Exception):
    """Why there are none."""


def count_keys(provider: Provider) -> int:
    """How many signing keys the provider publishes now. SetupError says why there are none."""
    try:
        return len(_fetch(provider))
    except _NoKeysError as error:
        raise SetupError(f"The OpenID provider {provider.issuer} does not publish usable keys: {error}.") from error


def _fetch(provider: Provider) -> tuple[SigningKey, ...]:
    entries = _get(provider.jwks_url or _discover(provider.issuer)).get("keys")
    found = [_signing_key(entry) for entry in entries] if isinstance(entries, list) else []
    keys = tuple(key for key in found if key is not None)
    if not keys:
        raise _NoKeysError("its key set holds no signing key that can be used")
    return keys


def _signing_key(entry: object) -> SigningKey | None:
    """None for what is not one: encryption keys, shared secrets, kinds that we do not know."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("kty") not in {"RSA", "EC", "OKP"}:
        return None
    try:
        return SigningKey(entry.get("kid"), entry["kty"], entry.get("alg"), cast("AllowedPublicKeys", PyJWK(entry).key))
    except PyJWTError as error:
        log.warning("a key of the identity provider cannot be used", reason=str(error))
        return None


def _discover(issuer: str) -> str:
    document = _get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise _NoKeysError("it calls itself by another name than XMAG_OIDC_ISSUER")
    url = document.get("jwks_uri")
    if not isinstance(url, str) or urlsplit(url).scheme != urlsplit(issuer).scheme:
        raise _NoKeysError("its jwks_uri is missing, or less protected than itself")
    return url


def _get(url: str) -> dict[str, object]:
    try:
        with _opener().open(url, timeout=TIMEOUT_S) as answer:
            found = json.loads(answer.read(ANSWER_MAX_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        raise _NoKeysError(f"it answered {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _NoKeysError(f"no answer that can be read ({type(reason).__name__}: {reason})") from error
    if not isinstance(found, dict):
        raise _NoKeysError("its answer is not an object")
    return found

"""Sessions of people at browsers: a random cookie on their side, a record that ends by itself in Redis on ours.

Redis holds the cookie's hash only. Losing Redis ends all sessions and nothing else. A session opened with a key has the
key's current rights: revoking the key, or removing scopes, takes effect at the next request. One opened with a token
ends with the token. Source: OWASP Session Management Cheat Sheet.
"""

import hashlib
import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import cast

from app.access.identity import Identity
from app.access.keys import KeyStore
from app.system.redis import PREFIX, RedisConnection

COOKIE = "xmag_session"
CSRF_HEADER = "X-CSRF-Token"
_TOKEN_BYTES = 32
_COOKIE_MAX_CHARS = 100
HOUR_S = 3600.0


@dataclass(frozen=True)
class Session:
    """Who, and the token that the pages send with whatever changes something."""

    identity: Identity
    csrf: str


class SessionStore:
    """Open, find and end sessions. Blocks; QueueUnavailableError when Redis does not answer."""

    def __init__(self, redis: RedisConnection, keys: KeyStore, hours: float) -> None:
        self._redis, self._keys, self._longest_s = redis, keys, hours * HOUR_S

    def open(self, identity: Identity) -> tuple[str, int]:
        """A new session: the cookie's value, which is kept nowhere, and the seconds that it lasts."""
        left_s = self._longest_s
        if identity.ends_at is not None:
            left_s = min(left_s, identity.ends_at - time.time())
        lasts_s = max(1, int(left_s))
        cookie = secrets.token_urlsafe(_TOKEN_BYTES)
        record = json.dumps({"csrf": secrets.token_urlsafe(_TOKEN_BYTES), "identity": asdict(identity)})
        self._redis.call(self._redis.client.set, _place(cookie), record, ex=lasts_s)
        return cookie, lasts_s

    def find(self, cookie: str | None) -> Session | None:
        """The session, with its key as it is now; None if it ended, was never opened, or the key was revoked."""
        if cookie is None or len(cookie) > _COOKIE_MAX_CHARS:
            return None
        text = cast("str | None", self._redis.call(self._redis.client.get, _place(cookie)))
        if text is None:
            return None
        record = json.loads(text)
        try:
            kept = Identity(**{**record["identity"], "scopes": tuple(record["identity"]["scopes"])})
        except TypeError:  # another version's session: the person logs in again
            return None
        identity = self._as_it_is_now(kept)
        return None if identity is None else Session(identity, record["csrf"])

    def end(self, cookie: str | None) -> None:
        """Log out: the cookie opens nothing any more."""
        if cookie is not None and len(cookie) <= _COOKIE_MAX_CHARS:
            self._redis.call(self._redis.client.delete, _place(cookie))

    def _as_it_is_now(self, identity: Identity) -> Identity | None:
        if identity.key_sha256 is None:
            return identity if (identity.ends_at or 0) > time.time() else None
        key = next((key for key in self._keys.all() if key.sha256 == identity.key_sha256), None)
        if key is None:
            return None
        return Identity(key.name, identity.actor, key.owner, key.tenant, key.scopes, key.sha256)


def _place(cookie: str) -> str:
    return f"{PREFIX}session:{hashlib.sha256(cookie.encode()).hexdigest()}"

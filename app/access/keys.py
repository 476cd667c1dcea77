"""API keys: made, listed and revoked by `xmag keys`; only their hashes are kept, in ``<data>/keys.json``.

A key is 256 random bits that nobody can guess, so a plain SHA-256 suffices. NIST SP 800-63B, 5.1.1.2 asks for slow
hashes of secrets that people choose.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from app.errors import RequestInvalidError, SetupError
from app.settings import is_loopback
from app.system.durable import locked, write_over

Scope = Literal["submit", "read", "erase", "admin"]
SCOPES: tuple[Scope, ...] = ("submit", "read", "erase", "admin")
NEW_KEY_SCOPES: tuple[Scope, ...] = ("submit", "read")
PREFIX = "xmag_"


@dataclass(frozen=True)
class ApiKey:
    """A key as kept: its name, the tenant whose jobs it sees, what it may do, and its hash.

    ``owner``: random; recorded in the key's jobs. A key that replaces another has the same owner.
    """

    name: str
    owner: str
    tenant: str
    scopes: tuple[Scope, ...]
    sha256: str
    created_at: str


class KeyStore:
    """The keys of a data folder; read anew when the file changes, so that revoking needs no restart.

    ``also_tokens``: an OpenID provider's tokens open the service too, so that it is closed even without a key.
    """

    def __init__(self, data_dir: Path, *, also_tokens: bool = False) -> None:
        self.path = data_dir / "keys.json"
        self._seen: tuple[int, int, int] | None = None
        self._were_in_use = also_tokens
        self._keys: tuple[ApiKey, ...] = ()

    def in_use(self) -> bool:
        """Whether credentials are needed: keys were ever made here, or tokens are taken.

        Neither revoking the last key nor losing the file opens the door.
        """
        self._were_in_use = self._were_in_use or self.path.exists()
        return self._were_in_use

    def check_exposure(self, host: str) -> None:
        """SetupError when the service would listen where others can reach it, and there are no keys."""
        if not self.in_use() and not is_loopback(host):
            raise SetupError(
                f"XMAG_HOST is {host}, which others can reach, and there are no API keys. "
                "Make one first: xmag keys create NAME. Or keep XMAG_HOST=127.0.0.1, or set XMAG_OIDC_ISSUER."
            )

    def all(self) -> tuple[ApiKey, ...]:
        """Every key. SetupError when the file cannot be read: never "no keys" by mistake."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, ()
            return ()
        mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        if mark != self._seen:
            try:
                self._keys = tuple(map(_as_key, json.loads(self.path.read_text(encoding="utf-8"))))
            except (ValueError, TypeError, KeyError) as error:
                raise SetupError("keys.json in the data folder is damaged. Restore it, or make new keys.") from error
            self._seen = mark
        return self._keys

    def named(self, name: str) -> ApiKey:
        """The key of that name. RequestInvalidError if there is none."""
        found = next((key for key in self.all() if key.name == name), None)
        if found is None:
            raise RequestInvalidError(f"There is no key named {name}. `xmag keys list` shows them.")
        return found

    def find(self, token: str) -> ApiKey | None:
        """The key that ``token`` is, in time that tells nothing about the others."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = None
        for key in self.all():
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def create(self, name: str, tenant: str, scopes: tuple[Scope, ...]) -> str:
        """Make a key and return its text, which is shown once and never kept."""
        return self._add(name, f"key:{secrets.token_hex(16)}", tenant, scopes)

    def replace(self, old: str, name: str) -> str:
        """Make the key ``name`` with tenant, scopes and jobs of the key ``old``, which works until it is revoked."""
        found = self.named(old)
        return self._add(name, found.owner, found.tenant, found.scopes)

    def _add(self, name: str, owner: str, tenant: str, scopes: tuple[Scope, ...]) -> str:
        token = PREFIX + secrets.token_urlsafe(32)
        digest = hashlib.sha256(token.encode()).hexdigest()
        entry = ApiKey(name, owner, tenant, scopes, digest, datetime.now(UTC).isoformat("T", "seconds"))
        with self._locked():
            if any(key.name == name for key in self.all()):
                raise RequestInvalidError(
                    f"There is a key named {name} already. Revoke it first, or choose another name."
                )
            self._write((*self.all(), entry))
        return token

    def revoke(self, name: str) -> None:
        """Remove a key: from now on it opens nothing."""
        with self._locked():
            revoked = self.named(name)
            self._write(tuple(key for key in self.all() if key != revoked))

    def _write(self, keys: tuple[ApiKey, ...]) -> None:
        write_over(self.path, json.dumps([asdict(key) for key in keys], indent=1).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self.path.with_suffix(".lock")):
            yield


def _as_key(entry: dict[str, Any]) -> ApiKey:
    """ValueError, TypeError or KeyError for an invalid key, or one with a scope unknown to this version."""
    scopes = tuple(entry["scopes"])
    if not set(scopes) <= set(SCOPES):
        raise ValueError("an unknown scope")
    return ApiKey(**{**entry, "scopes": scopes})

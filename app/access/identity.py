"""Who somebody turned out to be."""

from dataclasses import dataclass

from app.access.keys import Scope


@dataclass(frozen=True)
class Identity:
    """``actor`` is the name in the audit log, ``name`` the one for people.

    ``owner`` identifies the key or token holder in job records: opaque, stable, not secret. ``key_sha256``: of the key,
    which may be revoked. ``ends_at``: when the token expires, in seconds since 1970.
    """

    name: str
    actor: str
    owner: str
    tenant: str
    scopes: tuple[Scope, ...]
    key_sha256: str | None = None
    ends_at: float | None = None

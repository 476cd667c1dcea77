"""Idempotency-Key: the same key gives the same job (draft-ietf-httpapi-idempotency-key-header).

A claim is a file named by the key's hash, holding the job's id and a fingerprint of the request. Claiming and
committing happen under one lock, so that of two requests sent at once exactly one makes a job.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from app.errors import IdempotencyKeyReusedError
from app.records.record import Holder
from app.records.store import JobStore
from app.system.durable import locked, write_over

LOCK = ".lock"


def key_hash(holder: Holder, key: str) -> str:
    """Name of the claim: keys of different callers never meet."""
    return hashlib.sha256(json.dumps([holder.tenant, holder.owner, key]).encode()).hexdigest()


class Claims:
    """All claims, in ``<data>/idempotency``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def claim(self, name: str, fingerprint: str, job_id: str, store: JobStore, commit: Callable[[], None]) -> str:
        """Commit under the key, or return the id of the job that it made before.

        IdempotencyKeyReusedError when that job was made from another request. A claim whose job was never
        committed (a crash between the two) or was erased is taken over.
        """
        path = self._folder / name
        with locked(self._folder / LOCK):
            if path.exists():
                known = json.loads(path.read_text())
                if store.exists(known["job"]):
                    _check_same(known, fingerprint)
                    return str(known["job"])
            write_over(path, json.dumps({"job": job_id, "fingerprint": fingerprint}).encode())
            try:
                commit()
            finally:
                if not store.exists(job_id):  # the disk was full, say: the key is as it was before
                    path.unlink(missing_ok=True)
            return job_id

    def check_same(self, name: str, fingerprint: str) -> None:
        """IdempotencyKeyReusedError when the key's job was made from another request."""
        path = self._folder / name
        with locked(self._folder / LOCK):
            if path.exists():
                _check_same(json.loads(path.read_text()), fingerprint)

    def release(self, name: str) -> None:
        """Forget a key: its job is being erased."""
        (self._folder / name).unlink(missing_ok=True)


def _check_same(claim: dict[str, str], fingerprint: str) -> None:
    if claim["fingerprint"] != fingerprint:
        raise IdempotencyKeyReusedError(
            "This Idempotency-Key came before with another slide or other fields. Use a new key."
        )

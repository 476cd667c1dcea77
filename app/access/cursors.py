"""Cursors of lists, sealed, because the position may be another tenant's job.

A cursor is a Fernet token (AES-CBC and HMAC; github.com/fernet/spec) of the id that was looked at last and of whose
jobs are listed. The key lies in the data folder, so that every API of an installation reads the others' cursors.
"""

import json
from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from app.errors import RequestInvalidError
from app.system.durable import write_once

FILE = "cursor.key"


class Cursors:
    """Seals and opens the cursors of a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE

    @cached_property
    def _box(self) -> Fernet:
        if not self._path.exists():
            write_once(self._path, Fernet.generate_key())
        return Fernet(self._path.read_bytes())

    def seal(self, tenant: str | None, job_id: str) -> str:
        """The cursor of a position in the list of a tenant's jobs, or of all jobs (None)."""
        return self._box.encrypt(json.dumps([tenant, job_id]).encode()).decode()

    def open(self, tenant: str | None, cursor: str) -> str:
        """The position that ``cursor`` names. RequestInvalidError if it was not issued for this list."""
        try:
            listed, job_id = json.loads(self._box.decrypt(cursor.encode()))
        except InvalidToken:
            listed = job_id = None
        if job_id is None or listed != tenant:
            raise RequestInvalidError("cursor: not issued by this server for this list. Start again without a cursor.")
        return str(job_id)

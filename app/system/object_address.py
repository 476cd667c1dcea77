"""Where an object lies: ``s3://bucket/key``, and whether that is below a root of the same form."""

import re
from dataclasses import dataclass

SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEY_BYTES_MAX = 1024
"""Amazon S3 User Guide, "Naming Amazon S3 objects"."""


@dataclass(frozen=True)
class ObjectAddress:
    """``key`` is the object's name as it is, nothing in it is percent-encoded; empty for a whole bucket."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> "ObjectAddress":
        """Read ``s3://bucket/key``. ValueError for anything else.

        Keys with empty, ``.`` or ``..`` segments are refused: proxies and clients change them on the way.
        """
        bucket, _, key = text.removeprefix(SCHEME).partition("/")
        if not text.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
            raise ValueError("an object's address must be s3://bucket/key")
        if _CONTROL.search(key) or any("\ud800" <= char <= "\udfff" for char in key):
            raise ValueError("an object's key must be printable text")
        if key and not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise ValueError("an object's key must not begin or end with / nor hold //, /./ or /../")
        if len(key.encode()) > _KEY_BYTES_MAX:
            raise ValueError(f"an object's key has {_KEY_BYTES_MAX} bytes at most")
        return cls(bucket, key)

    def is_below(self, root: "ObjectAddress") -> bool:
        """Whether this is an object in ``root``: of its bucket, and by whole segments below its key."""
        folder = f"{root.key}/" if root.key else ""
        return self.bucket == root.bucket and self.key != "" and self.key.startswith(folder)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"

"""What tells one file from another."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hex digest of the content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

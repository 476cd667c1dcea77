"""What identifies a slide's bytes."""

import hashlib
from pathlib import Path

_BLOCK_BYTES = 2**20


def hash_slide(path: Path) -> tuple[str, int]:
    """(sha256, size in bytes) of the file or folder at ``path``.

    Of a folder: the sha256 of the sorted lines ``<sha256>  <relative name>\\n`` of all its files, as
    ``find . -type f -printf '%P\\0' | xargs -0 sha256sum | LC_ALL=C sort`` prints them, and the sum of their sizes.
    Raises OSError.
    """
    if path.is_file():
        return _hash_file(path)
    lines, total = [], 0
    for file in path.rglob("*"):
        if file.is_file():
            digest, size = _hash_file(file)
            lines.append(f"{digest}  {file.relative_to(path).as_posix()}\n".encode("utf-8", "surrogateescape"))
            total += size
    if not path.is_dir():
        raise FileNotFoundError(path)
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest(), total


def _hash_file(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size

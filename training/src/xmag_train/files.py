"""Whole files or none (a draft beside the target, then a rename), digests, and a lock between processes."""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``; its folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by ``value`` as indented JSON. ValueError for NaN and infinities."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def save_torch(path: Path, value: Any) -> None:
    """``torch.save`` to ``path``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    torch.save(value, draft)
    draft.replace(path)


def file_sha256(path: Path) -> str:
    """Hex digest of the content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold the file ``lock``, made if missing. Waits for another holder; a killed process holds nothing."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

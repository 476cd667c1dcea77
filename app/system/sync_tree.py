"""Brings a folder tree to disk, so that a power cut takes none of it back."""

from pathlib import Path

from app.system.durable import sync


def sync_tree(folder: Path, up_to: Path) -> None:
    """fsync all files below ``folder``, then the folders from the deepest up to ``up_to``, which is above it.

    Raises OSError, also for writes that the file system had put off (ENOSPC).
    """
    below = sorted(folder.absolute().rglob("*"))
    above = [parent for parent in folder.absolute().parents if parent.is_relative_to(up_to.absolute())]
    for path in below:
        if not path.is_dir():
            sync(path)
    for path in [*reversed([path for path in below if path.is_dir()]), folder, *above]:
        sync(path)

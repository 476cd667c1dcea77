"""A slide that came as one file: unpacked if it is a zip, with what identifies its bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.slides.archive import ArchiveLimits, extract_slide_zip, is_zip
from app.slides.hashing import hash_slide


@dataclass(frozen=True)
class ReceivedFile:
    """A slide that was sent or fetched, on its final place; ``path`` is the file to open it by."""

    path: Path
    size_bytes: int
    sha256: str


def unpacked(file: ReceivedFile, limits: ArchiveLimits, should_stop: Callable[[], bool] | None = None) -> ReceivedFile:
    """The slide in ``file``; a zip is replaced by the folder ``unpacked`` beside it.

    ``should_stop`` is asked before every MiB. The archive's typed errors, CancelledError.
    """
    if not is_zip(file.path):
        return file
    folder = file.path.parent / "unpacked"
    entry = extract_slide_zip(file.path, folder, limits, should_stop)
    file.path.unlink()
    sha256, size_bytes = hash_slide(_slide_itself(folder), should_stop)
    return ReceivedFile(entry, size_bytes, sha256)


def _slide_itself(folder: Path) -> Path:
    """What a zip holds, without the folders around it: the same slide has the same hash however it was packed."""
    while folder.is_dir():
        entries = list(folder.iterdir())
        if len(entries) != 1:
            break
        folder = entries[0]
    return folder

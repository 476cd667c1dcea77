"""A slide that came as one file: unpacked if it is a zip."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.slides.formats.archive.archive import ArchiveLimits, extract_slide_zip, is_zip


@dataclass(frozen=True)
class ReceivedFile:
    """A file that was sent or fetched, in its final place."""

    path: Path
    size_bytes: int
    sha256: str


def unpacked(path: Path, limits: ArchiveLimits, should_stop: Callable[[], bool] | None = None) -> Path:
    """The path to open the slide by: the file at ``path``, or, for a zip, the folder ``unpacked`` that replaces it.

    ``should_stop`` is asked before every MiB. The archive's typed errors, CancelledError.
    """
    if not is_zip(path):
        return path
    folder = path.parent / "unpacked"
    extract_slide_zip(path, folder, limits, should_stop)
    path.unlink()
    return folder

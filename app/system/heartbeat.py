"""A worker's heartbeat for checks on this machine: a file that says until when the worker counts as alive.

Looking costs no connection and no library, so that a container engine may do it every few seconds. Times are of the
machine's monotonic clock: one that jumps makes nobody sick.
"""

import os
import time
from pathlib import Path

from app.errors import SetupError

SUFFIX = ".alive"
WIDTH = 20


class Heartbeat:
    """One worker's file in ``folder``, rewritten in place: a full disk does not make it old."""

    def __init__(self, folder: Path, name: str) -> None:
        """SetupError when the file cannot be made."""
        self._path = folder / f"{name}{SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise SetupError(f"XMAG_HEARTBEAT_DIR cannot be written to: {error.strerror}.") from error

    def beat(self, for_s: float) -> None:
        """Alive, for ``for_s`` from now."""
        os.pwrite(self._fd, f"{time.monotonic() + for_s:0{WIDTH}.3f}".encode(), 0)

    def end(self) -> None:
        """Gone; call it once."""
        os.close(self._fd)
        self._path.unlink(missing_ok=True)


def beating(folder: Path) -> list[str]:
    """Names of the workers that are alive now; the file of a killed one expires."""
    now = time.monotonic()
    return sorted(file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}") if _until(file) > now)


def _until(file: Path) -> float:
    try:
        text = file.read_text(encoding="ascii")
    except FileNotFoundError:  # it ended between being listed and being read
        return 0.0
    return float(text) if len(text) == WIDTH else 0.0

"""The process behind a reader, as the system sees it."""

import os
import time
from pathlib import Path

from app.slides.sandbox.reader import SlideReader


def pid_of(reader: SlideReader) -> int:
    return reader._process.pid


def gone(pid: int, within_s: float = 3.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False

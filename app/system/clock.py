"""Whether the wall clock can be trusted: one that is a year ahead must not erase a year of slides."""

import os
import time
from pathlib import Path

import structlog

log = structlog.stdlib.get_logger("xmag.retention")
DAY_S = 86_400.0
JUMP_S = 3600.0
ABSENCE_S = 4 * DAY_S
"""For so long a service may have been off without its clock being doubted: a weekend with a holiday."""


def since_boot_s() -> float:
    """A clock that nobody can set; on Linux it also runs while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockWatch:
    """After a jump nothing is erased for a day, in which somebody may put the clock right.

    A jump is more than an hour back or ahead of the time that passed since any process last looked. The time of the
    file ``clock`` in the data folder says when that was; it needs no room on a full disk. When a process first looks,
    the service may have been off for ``ABSENCE_S``. From a jump on the file ``clock.doubted`` lies there: every
    process, also one that begins later, waits until it has seen it for a day. Hosts with different clocks see each
    other's jumps again and again.
    """

    def __init__(self, data_dir: Path) -> None:
        self._mark, self._doubt = data_dir / "clock", data_dir / "clock.doubted"
        self._looked_s: float | None = None
        self._waits_since_s: float | None = None

    def is_steady(self) -> bool:
        """False for a day after a jump. OSError where the files cannot be written."""
        boot_s, gap_s = since_boot_s(), self._moved_on_s(time.time())
        is_first = self._looked_s is None
        allowed_s = ABSENCE_S if self._looked_s is None else JUMP_S + boot_s - self._looked_s
        self._looked_s = boot_s
        if not -JUMP_S <= gap_s <= allowed_s:
            self._doubt.touch(mode=0o600)
            if self._waits_since_s is None:
                log.error("clock.jumped", by_s=round(gap_s))
            self._waits_since_s = boot_s
        if not self._doubt.exists():
            self._waits_since_s = None
            return not (is_first and gap_s > JUMP_S)  # another host's clock may say otherwise before the next look
        if self._waits_since_s is None:
            self._waits_since_s = boot_s
        if boot_s - self._waits_since_s < DAY_S:
            return False
        self._doubt.unlink(missing_ok=True)
        self._waits_since_s = None
        return True

    def _moved_on_s(self, now_s: float) -> float:
        """Seconds since the mark, which is set anew; 0 where there is none yet."""
        try:
            before_s = self._mark.stat().st_mtime
        except FileNotFoundError:
            before_s = now_s
            self._mark.touch(mode=0o600)
        os.utime(self._mark, (now_s, now_s))
        return now_s - before_s

"""Whether the wall clock can be believed: one that is a year ahead must not erase a year of slides."""

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

    A jump is more than an hour while the process runs, more than ``ABSENCE_S`` since any process last looked, or more
    than an hour back. What the clock said is the time of the file ``clock`` in the data folder, which needs no room
    on a full disk, and which hosts with different clocks share: while they disagree, none of them erases.
    """

    def __init__(self, data_dir: Path) -> None:
        self._mark = data_dir / "clock"
        self._offset_s = time.time() - since_boot_s()
        self._wait_until_s = 0.0

    def is_steady(self) -> bool:
        """False for a day after a jump. OSError where the mark cannot be written."""
        now_s, boot_s = time.time(), since_boot_s()
        jump_s = now_s - boot_s - self._offset_s
        gap_s = self._moved_on_s(now_s)
        if abs(jump_s) > JUMP_S or not -JUMP_S <= gap_s <= ABSENCE_S:
            by_s = jump_s if abs(jump_s) > JUMP_S else gap_s
            log.error("the clock jumped: nothing is erased for a day", by_s=round(by_s))
            self._offset_s += jump_s
            self._wait_until_s = boot_s + DAY_S
        return boot_s >= self._wait_until_s

    def _moved_on_s(self, now_s: float) -> float:
        """Seconds since the mark, which is set anew; 0 where there is none yet."""
        try:
            before_s = self._mark.stat().st_mtime
        except FileNotFoundError:
            before_s = now_s
            self._mark.touch(mode=0o600)
        os.utime(self._mark, (now_s, now_s))
        return now_s - before_s

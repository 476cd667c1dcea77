"""Running uploads: their number, and the disk space reserved for them.

A client that declares a large slide and sends nothing keeps next to nothing from others.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import DiskLowError, QueueFullError
from app.records.record import Holder
from app.settings import Settings
from app.system.shares import Shares

AHEAD_S = 600.0
AHEAD_LEAST_BYTES = 64 << 20


class Arrival:
    """A running upload of ``holder``."""

    def __init__(self, holder: Holder, expected_bytes: int) -> None:
        self.holder = holder
        self._left_bytes, self._received_bytes, self._began_s = expected_bytes, 0, time.monotonic()

    def received(self, size_bytes: int) -> None:
        """Count bytes that were written to disk."""
        self._received_bytes += size_bytes
        self._left_bytes = max(0, self._left_bytes - size_bytes)

    @property
    def kept_bytes(self) -> int:
        """Disk space to reserve: the bytes that can arrive within ``AHEAD_S`` at the speed so far."""
        bytes_per_s = self._received_bytes / max(time.monotonic() - self._began_s, 1.0)
        return min(self._left_bytes, AHEAD_LEAST_BYTES + int(bytes_per_s * AHEAD_S))


class Incoming:
    """All uploads of this process. Belongs to one event loop; ``check_disk`` may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._shares = settings, Shares(settings.uploads_max)
        self._arrivals: set[Arrival] = set()

    @contextmanager
    def upload(self, holder: Holder, expected_bytes: int) -> Iterator[Arrival]:
        """An upload, as long as this block lasts.

        DiskLowError when the others leave too little of the disk, QueueFullError when the holder's share is used up.
        """
        self.check_disk(expected_bytes)
        if not self._shares.take(holder):
            raise QueueFullError("Too many slides are being uploaded already. Try again later.")
        arrival = Arrival(holder, expected_bytes)
        self._arrivals.add(arrival)
        try:
            yield arrival
        finally:
            self._arrivals.discard(arrival)
            self._shares.give_back(holder)

    def check_disk(self, slide_bytes: int) -> None:
        """DiskLowError if a slide of that size would not fit beside the running uploads."""
        free = shutil.disk_usage(self._settings.data_dir).free
        kept = sum(arrival.kept_bytes for arrival in tuple(self._arrivals))
        if free - kept - slide_bytes < self._settings.disk_free_min_bytes:
            raise DiskLowError("The server's disk is too full for this slide. Free space, or try again later.")

"""Whether another job or upload may come in: places in the queue, running uploads, and room on the disk.

A client that declares a large slide and sends nothing keeps next to nothing from others.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import DiskLowError, DrainingError, QueueFullError, QueueUnavailableError, TooLargeError
from app.jobs.queue.queue import JobQueue
from app.records.record import Holder
from app.records.store import JobStore
from app.settings import Settings
from app.system.disk import has_room
from app.system.shares import Owner, Shares

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


class Admission:
    """One for all requests of this process. ``draining``: set once the process was told to end.

    Belongs to one event loop; ``check_room`` and ``check_disk`` may be called from any thread.
    """

    def __init__(self, settings: Settings, store: JobStore, queue: JobQueue) -> None:
        self._settings, self._store, self._queue = settings, store, queue
        self._shares = Shares(settings.uploads_max)
        self.draining = threading.Event()
        self._arrivals: set[Arrival] = set()

    def check_draining(self) -> None:
        """DrainingError once the process was told to end."""
        if self.draining.is_set():
            raise DrainingError("The service is going down. Send the request again in a minute.")

    def check_room(self, holder: Holder) -> None:
        """Whether another job can be taken: DrainingError or QueueFullError before a byte is read."""
        self.check_draining()
        if not Shares(self._settings.queue_max, self._open_jobs()).may_take(holder):
            raise QueueFullError("Too many jobs are waiting already. Try again later.")

    def _open_jobs(self) -> Counter[Owner]:
        try:
            return Counter(self._queue.open_by_holder())
        except QueueUnavailableError:
            return Counter(self._store.holder(job_id) for job_id in self._store.open_ids())

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
        kept = sum(arrival.kept_bytes for arrival in tuple(self._arrivals))
        keep_free_bytes = self._settings.disk_free_min_bytes
        if not has_room(self._settings.data_dir, kept + slide_bytes, keep_free_bytes=keep_free_bytes):
            raise DiskLowError("The server's disk is too full for this slide. Free space, or try again later.")


def disk_low() -> DiskLowError:
    """The error for a disk that filled up during the upload."""
    return DiskLowError("The server's disk became too full for this slide. Free space, or try again later.")


def too_large(max_bytes: int) -> TooLargeError:
    """The error for a body over the limit."""
    return TooLargeError(f"The slide is larger than this server takes ({max_bytes} bytes; XMAG_UPLOAD_MAX_BYTES).")

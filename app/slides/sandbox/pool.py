"""Reader processes lent out, a few at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import DrainingError
from app.slides.closing import Closing
from app.slides.sandbox.reader import DEFAULT_LIMITS, ReaderLimits, SlideReader
from app.slides.sandbox.reader_process import prepare_readers


class ReaderPool(Closing):
    """At most ``size`` readers lent at a time. Thread-safe.

    Each is a new process, which ends with its loan: one that a hostile slide took over must not see the next slide.
    """

    def __init__(self, size: int, limits: ReaderLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._lendable = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._lent: set[SlideReader] = set()
        self._closed = False
        prepare_readers()

    @contextmanager
    def lease(self) -> Iterator[SlideReader]:
        """A reader for this block; waits while ``size`` are lent.

        DrainingError once closed, InternalError when no process can be started.
        """
        with self._lendable, self._start() as reader:
            try:
                yield reader
            finally:
                with self._lock:
                    self._lent.discard(reader)

    def close(self) -> None:
        """Kill all readers, which are on loan."""
        with self._lock:
            self._closed = True
            readers = list(self._lent)
        for reader in readers:
            reader.close()

    def _start(self) -> SlideReader:
        with self._lock:
            if self._closed:
                raise DrainingError("The service is going down.")
            reader = SlideReader(self._limits)
            self._lent.add(reader)
        return reader

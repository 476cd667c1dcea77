"""Reader processes lent out, a few at a time, and used again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import DrainingError, XmagError
from app.slides.closing import Closing
from app.slides.reader import DEFAULT_LIMITS, ReaderLimits, SlideReader
from app.slides.reader_process import prepare_readers


class ReaderPool(Closing):
    """At most ``size`` readers lent at a time. Thread-safe.

    A reader that crashed, was closed, or has been lent ``recycle_after`` times is replaced.
    """

    def __init__(self, size: int, recycle_after: int = 64, limits: ReaderLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._recycle_after = recycle_after
        self._lendable = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._idle: list[tuple[SlideReader, int]] = []
        self._lent: set[SlideReader] = set()
        self._closed = False
        prepare_readers()

    @contextmanager
    def lease(self) -> Iterator[SlideReader]:
        """A living reader with no slide open, for this block; waits while all are lent.

        DrainingError once closed, InternalError when no process can be started.
        """
        with self._lendable:
            reader, uses = self._take()
            try:
                yield reader
            finally:
                self._take_back(reader, uses + 1)

    def close(self) -> None:
        """Kill all readers, those on loan too."""
        with self._lock:
            self._closed = True
            readers = [reader for reader, _ in self._idle] + list(self._lent)
            self._idle.clear()
        for reader in readers:
            reader.close()

    def _take(self) -> tuple[SlideReader, int]:
        dead: list[SlideReader] = []
        try:
            with self._lock:
                if self._closed:
                    raise DrainingError("The service is going down.")
                dead += [reader for reader, _ in self._idle if not reader.alive]
                self._idle = [item for item in self._idle if item[0] not in dead]
                reader, uses = self._idle.pop() if self._idle else (SlideReader(self._limits), 0)
                self._lent.add(reader)
        finally:
            for corpse in dead:
                corpse.close()
        return reader, uses

    def _take_back(self, reader: SlideReader, uses: int) -> None:
        keep = uses < self._recycle_after and reader.alive and self._let_go(reader)
        with self._lock:
            self._lent.discard(reader)
            keep = keep and not self._closed
            if keep:
                self._idle.append((reader, uses))
        if not keep:
            reader.close()

    @staticmethod
    def _let_go(reader: SlideReader) -> bool:
        try:
            reader.release()
        except XmagError:
            return False
        return True

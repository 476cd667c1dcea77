"""Slides that people look at, each kept open in reader processes of its own while they do.

A process shows one slide in its life: one that a hostile slide took over never sees another. The worker's readers are
not touched: viewers have their own few. Who gets one of them is decided before (api/viewing.py).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import DrainingError, ViewerBusyError
from app.slides.closing import Closing
from app.slides.sandbox.reader import DEFAULT_LIMITS, ReaderLimits, SlideReader
from app.slides.types import SlideInfo

IDLE_S = 60.0
USES_MAX = 5000
"""Well before a reader's processor time is used up by one slide that everybody looks at."""


@dataclass(frozen=True)
class Viewed:
    """A slide to look at: a name of its own, where it lies, and the µm/px that the request gave."""

    name: str
    path: Path
    mpp: float | None = None


@dataclass(eq=False)
class OpenSlideView:
    """A reader with a slide open in it, lent to one thread at a time."""

    name: str
    reader: SlideReader
    info: SlideInfo
    uses: int = 0
    used_at: float = field(default_factory=time.monotonic)


class SlideViews(Closing):
    """At most ``size`` reader processes. Thread-safe.

    The reader not used for longest makes room for another slide; one not used for ``IDLE_S`` is ended, so that its
    file is let go.
    """

    def __init__(self, size: int, limits: ReaderLimits = DEFAULT_LIMITS) -> None:
        self._size, self._limits = size, limits
        self._lock = threading.Lock()
        self._idle: list[OpenSlideView] = []
        self._busy: list[str] = []
        self._forgotten: set[str] = set()
        self._closed = False

    @contextmanager
    def lease(self, viewed: Viewed) -> Iterator[OpenSlideView]:
        """The slide, open, for this block.

        The slide's typed errors; ViewerBusyError if all readers are in use; DrainingError once closed.
        """
        view = self._take(viewed)
        try:
            yield view
        finally:
            self._give_back(view)

    def forget(self, name: str) -> None:
        """Let go of a slide that is being erased; a reader at work on it ends when it is done."""
        with self._lock:
            gone = [view for view in self._idle if view.name == name]
            self._idle = [view for view in self._idle if view.name != name]
            if name in self._busy:
                self._forgotten.add(name)
        _end(gone)

    def sweep(self) -> None:
        """End readers that nobody used for a while. Call it now and then."""
        limit = time.monotonic() - IDLE_S
        with self._lock:
            gone = [view for view in self._idle if view.used_at < limit]
            self._idle = [view for view in self._idle if view.used_at >= limit]
        _end(gone)

    def names(self) -> set[str]:
        """Slides that are open."""
        with self._lock:
            return {*self._busy, *(view.name for view in self._idle if view.reader.alive)}

    def close(self) -> None:
        """End all that are idle; the others end when they are returned."""
        with self._lock:
            self._closed = True
            gone, self._idle = self._idle, []
        _end(gone)

    def _take(self, viewed: Viewed) -> OpenSlideView:
        """An idle reader of this slide, or a new one in a place that is free or made free."""
        gone: list[OpenSlideView] = []
        try:
            with self._lock:
                idle = self._idle_for(viewed.name, gone)
                self._busy.append(viewed.name)
        finally:
            _end(gone)
        return idle or self._open(viewed)

    def _idle_for(self, name: str, gone: list[OpenSlideView]) -> OpenSlideView | None:
        """An idle reader; None if a new one may be made. Adds a reader that must close to ``gone``. ViewerBusyError."""
        if self._closed:
            raise DrainingError("The service is going down.")
        dead = [view for view in self._idle if not view.reader.alive]
        gone += dead
        self._idle = [view for view in self._idle if view not in dead]
        mine = [view for view in self._idle if view.name == name]
        if mine:
            self._idle.remove(mine[-1])
            return mine[-1]
        if len(self._idle) + len(self._busy) >= self._size:
            if not self._idle:
                raise ViewerBusyError("Too many slides are open in the viewer. Try again in a few seconds.")
            oldest = min(self._idle, key=lambda view: view.used_at)
            self._idle.remove(oldest)
            gone.append(oldest)
        return None

    def _open(self, viewed: Viewed) -> OpenSlideView:
        reader = None
        try:
            reader = SlideReader(self._limits)
            return OpenSlideView(viewed.name, reader, reader.open(viewed.path, viewed.mpp))
        except BaseException:
            if reader is not None:
                reader.close()
            with self._lock:
                self._leave(viewed.name)
            raise

    def _give_back(self, view: OpenSlideView) -> None:
        view.uses += 1
        view.used_at = time.monotonic()
        with self._lock:
            keep = view.reader.alive and view.uses < USES_MAX and view.name not in self._forgotten and not self._closed
            if keep:
                self._idle.append(view)
            self._leave(view.name)
        if not keep:
            view.reader.close()

    def _leave(self, name: str) -> None:
        self._busy.remove(name)
        if name not in self._busy:
            self._forgotten.discard(name)


def _end(views: list[OpenSlideView]) -> None:
    for view in views:
        view.reader.close()

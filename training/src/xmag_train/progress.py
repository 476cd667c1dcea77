"""Progress: on a terminal a bar, in a log a line now and then; and the time that work has taken."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

T = TypeVar("T")
LOG_EVERY_S = 60.0


def track(items: Sequence[T] | Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The items; how far they are is told on stderr: as a bar on a terminal, else as a line a minute."""
    console = Console(stderr=True)
    if console.is_terminal:
        yield from rich_track(items, what, total=total, console=console, transient=True)
        return
    count = len(items) if total is None and isinstance(items, Sequence) else total
    told = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - told >= LOG_EVERY_S:
            told = time.monotonic()
            say(f"{what}: {done} of {'?' if count is None else count}")
        yield item


def say(line: str) -> None:
    """A line on stderr, for the person who watches the run."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (a log's line)


class Clock:
    """Seconds of work by the clock on the wall, with ``before_s`` that an earlier process worked."""

    def __init__(self, before_s: float) -> None:
        self._before_s, self._started = before_s, time.monotonic()

    def seconds(self) -> float:
        """So far, to a tenth."""
        return round(self._before_s + time.monotonic() - self._started, 1)

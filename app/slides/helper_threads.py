"""Two helper threads for a slide. A reader starts them before it gives up making threads."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

Item = TypeVar("Item")
HELPERS = 2


@cache
def helpers() -> ThreadPoolExecutor:
    """The pool, made at the first call. Work in it must not wait for other work in it."""
    return ThreadPoolExecutor(HELPERS, "helper")


os.register_at_fork(after_in_child=helpers.cache_clear)  # a fork has none of the threads


def start_helpers() -> None:
    """Start all threads of the pool now."""
    together = threading.Barrier(HELPERS + 1)
    for _ in range(HELPERS):
        helpers().submit(together.wait)
    together.wait()


def for_each(function: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Call ``function`` for each item in the helpers. Returns when all calls have ended; raises the first error."""
    calls = [helpers().submit(function, item) for item in items]
    wait(calls)
    for call in calls:
        call.result()

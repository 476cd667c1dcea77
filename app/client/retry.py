"""Waiting between tries: longer each time, with chance in it, and not for ever."""

import random
import time
from typing import Final

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0


class OutOfPatienceError(Exception):
    """The time one was willing to wait is over."""


class Backoff:
    """Pauses that double up to half a minute, until ``patience_s`` after the first of them."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._pause_s = _FIRST_S
        self._began_s: float | None = None

    def wait(self, asked_s: float | None, reason: str) -> None:
        """Pause; ``asked_s``: how long the service asks for. OutOfPatienceError with the ``reason``."""
        now_s = time.monotonic()
        self._began_s = now_s if self._began_s is None else self._began_s
        pause_s = max(self._pause_s * random.uniform(0.5, 1.0), asked_s or 0.0)  # noqa: S311 (spreads clients)
        left_s = self._patience_s - (now_s - self._began_s)
        if left_s <= 0:
            raise OutOfPatienceError(reason)
        time.sleep(min(pause_s, left_s))
        self._pause_s = min(2 * self._pause_s, _LONGEST_S)

    def reset(self) -> None:
        """There was an answer: patience begins anew."""
        self._pause_s, self._began_s = _FIRST_S, None

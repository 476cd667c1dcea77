"""Work that is done again and again in the background."""

import threading
from collections.abc import Callable

import structlog

from app.errors import XmagError

log = structlog.stdlib.get_logger("xmag.background")


class Periodic:
    """Calls ``turn`` in a thread of its own: ``first_s`` after the start, then ``every_s`` after each turn's end.

    Whatever a turn raises is logged, and the next turn comes all the same.
    """

    def __init__(self, name: str, turn: Callable[[], object], *, every_s: float, first_s: float = 0.0) -> None:
        self._name, self._turn, self._every_s, self._first_s = name, turn, every_s, first_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def stop(self, wait_s: float = 5.0) -> None:
        """End after the turn in progress, for which this waits ``wait_s`` at most."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(wait_s)

    def _run(self) -> None:
        wait_s = self._first_s
        while not self._over.wait(wait_s):
            wait_s = self._every_s
            try:
                self._turn()
            except XmagError as error:
                log.warning("upkeep.turn_unfinished", task=self._name, code=error.code, reason=error.message)
            except OSError as error:
                log.error("upkeep.disk_unavailable", task=self._name, reason=str(error.strerror))
            except Exception:
                # Whatever it was, the next turn must come: without it a lost queue stays lost.
                log.exception("upkeep.turn_failed", task=self._name)

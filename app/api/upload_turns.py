"""One request at a time for each upload, the latest: a client that reconnects need not wait for its lost connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from anyio import CancelScope, Event

from app.errors import UploadBusyError


@dataclass(eq=False)
class _Turn:
    scope: CancelScope = field(default_factory=CancelScope)
    over: Event = field(default_factory=Event)


class Turns:
    """Turns by name, within one event loop."""

    def __init__(self) -> None:
        self._running: dict[str, _Turn] = {}

    @asynccontextmanager
    async def take(self, name: str) -> AsyncIterator[None]:
        """Whoever had the turn is cancelled at its next wait, and ends with UploadBusyError; then it is ours."""
        while (before := self._running.get(name)) is not None:
            before.scope.cancel()
            await before.over.wait()
        turn = self._running[name] = _Turn()
        try:
            with turn.scope:
                yield
        finally:
            del self._running[name]
            turn.over.set()
        if turn.scope.cancelled_caught:
            raise UploadBusyError("A later request took this upload over.")

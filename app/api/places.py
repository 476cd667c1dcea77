"""Places that requests wait for without a thread, handed out fairly: first to whoever holds the fewest."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from app.jobs.record import Holder
from app.jobs.shares import Shares

P = ParamSpec("P")
T = TypeVar("T")


class Places:
    """``size`` places of one event loop. Among those who hold equally few, the turn goes round."""

    def __init__(self, size: int) -> None:
        self._shares, self._threads = Shares(size), CapacityLimiter(size)
        self._waiting: dict[Holder, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, holder: Holder) -> AsyncIterator[None]:
        """A place for this block; waits for it."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(holder, deque()).append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place came at the last moment
                self._leave(holder)
            raise
        try:
            yield
        finally:
            self._leave(holder)

    async def run(self, holder: Holder, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread, once there is a place."""
        async with self.place(holder):
            return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._threads)

    def waiting(self, holder: Holder) -> int:
        """How many of ``holder``'s requests wait."""
        return sum(not turn.cancelled() for turn in self._waiting.get(holder, ()))

    def _leave(self, holder: Holder) -> None:
        self._shares.give_back(holder)
        if holder in self._waiting:  # behind the others
            self._waiting[holder] = self._waiting.pop(holder)
        self._hand_out()

    def _hand_out(self) -> None:
        while any(self._serve(holder) for holder in sorted(self._waiting, key=self._shares.held_by)):
            pass

    def _serve(self, holder: Holder) -> bool:
        turns = self._waiting[holder]
        while turns and turns[0].cancelled():
            turns.popleft()
        is_served = bool(turns) and self._shares.take(holder)
        if is_served:
            turns.popleft().set_result(None)
        if not turns:
            del self._waiting[holder]
        return is_served

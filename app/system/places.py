"""Places that requests wait for without a thread; the holder of the fewest gets the next place."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from app.system.shares import Owner, Shares

P = ParamSpec("P")
T = TypeVar("T")


class Places:
    """``size`` places of one event loop. Holders of equally few places take turns."""

    def __init__(self, size: int) -> None:
        self._shares, self._threads = Shares(size), CapacityLimiter(size)
        self._waiting: dict[Owner, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, owner: Owner, wait_s: float | None = None) -> AsyncIterator[None]:
        """A place for this block; waits for it. TimeoutError after ``wait_s``."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        self._hand_out()
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place came at the last moment
                self._leave(owner)
            raise
        try:
            yield
        finally:
            self._leave(owner)

    async def run(self, owner: Owner, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in a thread, once there is a place."""
        async with self.place(owner):
            return await self.in_thread(function, *args, **kwargs)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in a thread; the caller already has a place."""
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._threads)

    def waiting(self, owner: Owner) -> int:
        """How many of ``owner``'s requests wait."""
        return sum(not turn.cancelled() for turn in self._waiting.get(owner, ()))

    def is_free(self, owner: Owner) -> bool:
        """Whether ``owner`` would get a place at once."""
        return self._shares.may_take(owner) and not self.waiting(owner)

    def _leave(self, owner: Owner) -> None:
        self._shares.give_back(owner)
        if owner in self._waiting:  # behind the others
            self._waiting[owner] = self._waiting.pop(owner)
        self._hand_out()

    def _hand_out(self) -> None:
        while any(self._serve(owner) for owner in sorted(self._waiting, key=self._shares.held_by)):
            pass

    def _serve(self, owner: Owner) -> bool:
        turns = self._waiting[owner]
        while turns and turns[0].cancelled():
            turns.popleft()
        is_served = bool(turns) and self._shares.take(owner)
        if is_served:
            turns.popleft().set_result(None)
        if not turns:
            del self._waiting[owner]
        return is_served

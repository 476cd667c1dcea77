"""Places that requests wait for: handed out fairly, and never lost."""

import asyncio
import threading

import pytest

from app.records.record import Holder
from app.system.places import Places

A, A2, B, C = Holder("a", "1"), Holder("a", "2"), Holder("b", "1"), Holder("c", "1")


class Requests:
    """Requests that take a place and keep it until told."""

    def __init__(self, places: Places) -> None:
        self.places, self.served = places, list[Holder]()
        self._over, self._tasks = dict[Holder, asyncio.Semaphore](), list[asyncio.Task[None]]()

    async def come(self, holder: Holder, count: int = 1) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self._request(holder)) for _ in range(count)]
        self._tasks += tasks
        await asyncio.sleep(0)
        return tasks

    async def end_one(self, holder: Holder) -> None:
        self._over.setdefault(holder, asyncio.Semaphore(0)).release()
        for _ in range(5):
            await asyncio.sleep(0)

    async def end_all(self) -> None:
        for holder in (A, A2, B, C):
            for _ in self._tasks:
                self._over.setdefault(holder, asyncio.Semaphore(0)).release()
        await asyncio.wait_for(asyncio.gather(*self._tasks, return_exceptions=True), 10)

    async def _request(self, holder: Holder) -> None:
        async with self.places.place(holder):
            self.served.append(holder)
            await self._over.setdefault(holder, asyncio.Semaphore(0)).acquire()


def test_one_who_floods_keeps_no_other_waiting():
    async def scene():
        requests = Requests(Places(8))
        await requests.come(A, 100)
        assert requests.served == [A] * 2
        await requests.come(A2)
        await requests.come(B)
        await requests.come(C)
        assert requests.served[2:] == [A2, B, C]
        assert requests.places.waiting(A) == 98
        await requests.end_all()
        assert requests.served.count(A) == 100

    asyncio.run(scene())


def test_a_place_that_is_freed_goes_to_who_holds_least_and_the_turn_goes_round():
    async def scene():
        requests = Requests(Places(1))
        await requests.come(A, 4)
        await requests.come(B, 2)
        await requests.come(C, 1)
        for _ in range(6):
            await requests.end_one(requests.served[-1])
        assert requests.served == [A, B, C, A, B, A, A]
        await requests.end_all()

    asyncio.run(scene())


@pytest.mark.parametrize("when", ["while it waits", "as it is served"])
def test_who_gives_up_costs_no_place(when):
    async def scene():
        requests = Requests(Places(1))
        await requests.come(A)
        (waits,) = await requests.come(B)
        if when == "as it is served":
            requests._over[A].release()
            while requests.places.waiting(B):
                await asyncio.sleep(0)
        waits.cancel()
        await asyncio.sleep(0)
        assert requests.places.waiting(B) == 0
        await requests.end_one(A)
        await requests.come(C)
        assert requests.served[-1] == C
        await requests.end_all()

    asyncio.run(scene())


def test_as_many_threads_run_as_the_share_allows_and_errors_come_through():
    async def scene():
        places, gate, running = Places(8), threading.Event(), []

        def work(number: int) -> int:
            running.append(number)
            assert gate.wait(10)
            return number

        flood = [asyncio.create_task(places.run(A, work, number)) for number in range(20)]
        while len(running) < 2:
            await asyncio.sleep(0.01)
        assert await places.run(B, lambda: "served") == "served"  # while the flood holds its threads
        assert len(running) == 2
        with pytest.raises(ZeroDivisionError):
            await places.run(B, lambda: 1 // 0)
        gate.set()
        assert await asyncio.gather(*flood) == list(range(20))

    asyncio.run(scene())

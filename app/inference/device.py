"""One device for all running slides. Their requests are computed a batch at a time, filled across slides.

Nobody waits for a batch to fill: what came in while the last one was computed goes into the next, as much as it holds.
On a CPU a tile has the same bits in any batch (tests/inference/test_device.py), so that no result depends on what else
ran. On a GPU the last bits may: kernels are chosen by the size of the batch. A failure is the slide's own.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.inference.embedder import Embedder
from app.system.process import let_thread_give_way

FAIR_EVERY = 8
END_WAIT_S = 5.0
Embeddings = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Claim:
    """What a batch is weighed by: ``urgency`` of its slide, 0 the most urgent; ``tiles_left`` of the slide.

    ``slide``: any object that all batches of a slide share; they are computed in the order in which they came.
    """

    urgency: int
    tiles_left: int
    slide: object = field(default_factory=object, compare=False)


@dataclass(frozen=True)
class Filled:
    """Batches computed: the tiles in them, and the tiles that they had room for; batches split for want of memory."""

    tiles: int
    room: int
    splits: int = 0


@dataclass(frozen=True, eq=False)
class _Order:
    claim: Claim
    embedder: Embedder
    tiles: NDArray[np.uint8]
    answer: "Future[Embeddings]"


class Device:
    """Threads that compute, as many as an embedder has lanes. Thread-safe; they start when needed, ``close`` ends them.

    Next is the most urgent, among equals the slide with the fewest tiles left. A biopsy then does not wait for a
    resection, and of two similar slides one is done early instead of both late. Every eighth batch begins with what has
    waited longest, so that none waits for ever. Who submits holds the line short: see app.analysis.pipeline.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: list[_Order] = []
        self._begun = 0
        self._closed = False
        self._tiles = self._room = self._splits = 0
        self._threads: list[threading.Thread] = []
        self._running: dict[int, tuple[float, Embedder]] = {}
        self._ended_at = time.monotonic()

    def submit(self, embedder: Embedder, tiles: NDArray[np.uint8], claim: Claim) -> "Future[Embeddings]":
        """``embedder.embed(tiles)``, or its error, once its turn came. ``tiles`` must stay as they are until then."""
        order = _Order(claim, embedder, tiles, Future())
        with self._changed:
            if self._closed:
                raise RuntimeError("the device was closed")
            while len(self._threads) < embedder.lanes:
                thread = threading.Thread(target=self._run, args=(embedder.niceness,), name="device", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._line.append(order)
            self._changed.notify()
        return order.answer

    def embed(self, embedder: Embedder, tiles: NDArray[np.uint8]) -> Embeddings:
        """One tile or more, by every lane: waits for float32 [n, D]. InferenceFailedError as ``embedder.embed``."""
        step = embedder.batch_tiles
        starts = range(0, len(tiles), step)
        answers = [self.submit(embedder, tiles[at : at + step], Claim(0, len(tiles) - at, self)) for at in starts]
        return np.concatenate([answer.result() for answer in answers])

    def close(self) -> None:
        """Cancel what waits and end the threads; what runs is waited for, but not for ever."""
        with self._changed:
            self._closed = True
            for order in self._line:
                order.answer.cancel()
            self._line.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + END_WAIT_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def filled(self) -> Filled:
        """What was computed since this was last asked."""
        with self._changed:
            filled = Filled(self._tiles, self._room, self._splits)
            self._tiles = self._room = self._splits = 0
            return filled

    def is_stuck(self) -> bool:
        """Whether a batch takes longer than its embedder's ``limit_s``."""
        moment = time.monotonic()
        with self._changed:
            running = list(self._running.values())
        return any(embedder.limit_s is not None and moment - began > embedder.limit_s for began, embedder in running)

    def idle_s(self) -> float:
        """How long there has been nothing to compute; 0 while there is."""
        with self._changed:
            return 0.0 if self._running or self._line else time.monotonic() - self._ended_at

    def _run(self, niceness: int) -> None:
        let_thread_give_way(niceness)
        while orders := self._next():
            self._compute([order for order in orders if order.answer.set_running_or_notify_cancel()])
            del orders  # and with them the readers' memory, before the next batch is waited for

    def _compute(self, orders: list[_Order]) -> None:
        """Answer the orders, which are one embedder's, by one batch; each by its own where that fails."""
        if not orders:
            return
        embedder = orders[0].embedder
        tiles = orders[0].tiles if len(orders) == 1 else np.concatenate([order.tiles for order in orders])
        try:
            with self._noted(embedder):
                found = embedder.embed(tiles)
        except Exception as error:  # noqa: BLE001 - not hidden: raised where the slide is analysed
            if len(orders) == 1:
                orders[0].answer.set_exception(error)
                return
            for order in orders:
                self._compute([order])
            return
        with self._changed:
            self._tiles += len(tiles)
            self._room += embedder.room(len(tiles))
            self._splits += embedder.splits()
        start = 0
        for order in orders:
            order.answer.set_result(found[start : start + len(order.tiles)])
            start += len(order.tiles)

    @contextmanager
    def _noted(self, embedder: Embedder) -> Iterator[None]:
        """While inside, ``is_stuck`` knows that this thread computes a batch."""
        with self._changed:
            self._running[threading.get_ident()] = (time.monotonic(), embedder)
        try:
            yield
        finally:
            with self._changed:
                del self._running[threading.get_ident()]
                self._ended_at = time.monotonic()

    def _next(self) -> list[_Order]:
        """What goes into the next batch, first its head; empty once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._closed)
            if not self._line:
                return []
            self._begun += 1
            newest = {id(waiting.claim.slide): waiting.claim for waiting in self._line}
            # A slide ranks by its newest batch, which has the fewest tiles left; its own stay in order.
            ranked = sorted(self._line, key=lambda waiting: newest[id(waiting.claim.slide)])
            head = self._line[0] if self._begun % FAIR_EVERY == 0 else ranked[0]
            chosen, room = [head], head.embedder.batch_tiles - len(head.tiles)
            for order in ranked:
                if order is not head and order.embedder is head.embedder and len(order.tiles) <= room:
                    chosen.append(order)
                    room -= len(order.tiles)
            self._line = [order for order in self._line if order not in chosen]
            return chosen

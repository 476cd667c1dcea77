"""One device for all slides in hand: their batches are computed one at a time, and this says whose is next.

Batches are not filled across slides. On a CPU a tile costs the same in a batch of 4 as in one of 16 and has the same
bits in either (tests/inference/test_device.py), so that nothing is gained; and a result never depends on what else ran.
"""

import threading
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.inference.embedder import Embedder

FAIR_EVERY = 8
END_WAIT_S = 5.0
Embeddings = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Claim:
    """What a batch is weighed by: ``urgency`` of its slide, 0 the most urgent; ``tiles_left`` of the slide."""

    urgency: int
    tiles_left: int


@dataclass(frozen=True)
class _Order:
    claim: Claim
    embedder: Embedder
    tiles: NDArray[np.uint8]
    answer: "Future[Embeddings]"


class Device:
    """One thread that computes. Thread-safe; the thread starts with the first batch and ends with ``close``.

    Next is the most urgent, among equals the slide with the fewest tiles left: a biopsy does not wait for a resection,
    and of two slides alike one is done early instead of both late. Every eighth batch is the one that has waited
    longest, so that none waits for ever. Who submits holds the line short: see app.pipeline.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: list[_Order] = []
        self._given = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)

    def submit(self, embedder: Embedder, tiles: NDArray[np.uint8], claim: Claim) -> "Future[Embeddings]":
        """``embedder.embed(tiles)``, or its error, once its turn came. ``tiles`` must stay as they are until then."""
        order = _Order(claim, embedder, tiles, Future())
        with self._changed:
            if self._closed:
                raise RuntimeError("the device was closed")
            if not self._thread.is_alive():
                self._thread.start()
            self._line.append(order)
            self._changed.notify()
        return order.answer

    def close(self) -> None:
        """Cancel what waits and end the thread; what runs is waited for, but not for ever."""
        with self._changed:
            self._closed = True
            for order in self._line:
                order.answer.cancel()
            self._line.clear()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(END_WAIT_S)

    def _run(self) -> None:
        while (order := self._next()) is not None:
            if not order.answer.set_running_or_notify_cancel():
                continue
            try:
                found = order.embedder.embed(order.tiles)
            except Exception as error:  # noqa: BLE001 - not hidden: raised where the slide is analysed
                order.answer.set_exception(error)
            else:
                order.answer.set_result(found)
            del order  # and with it the reader's memory, before the next batch is waited for

    def _next(self) -> _Order | None:
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._closed)
            if not self._line:
                return None
            self._given += 1
            is_fair_turn = self._given % FAIR_EVERY == 0
            order = self._line[0] if is_fair_turn else min(self._line, key=lambda waiting: waiting.claim)
            self._line.remove(order)
            return order

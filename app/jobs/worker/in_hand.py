"""The jobs that one worker works on at a time, and what they owe each other.

A job whose last attempt ended without an outcome may be the one that kills its worker. It is therefore tried again
alone, so no other job loses more than one attempt by it. Before the process is ended, the others are requeued.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from app.jobs.queue.queue import Lease
from app.records.store import Attempt, JobStore

log = structlog.stdlib.get_logger("xmag.worker")


@dataclass(frozen=True)
class Held:
    """A running job: its lease, the worker that holds it, and the attempt it counts as."""

    lease: Lease
    worker: str
    attempt: Attempt


class InHand:
    """Thread-safe; one for all slots of a worker."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._working = 0
        self._alone: object | None = None
        self._held: set[Held] = set()

    @property
    def is_open(self) -> bool:
        """Whether a job may be taken: none has, or waits for, the worker to itself."""
        with self._changed:
            return self._alone is None

    @property
    def count(self) -> int:
        """Jobs that are being worked on."""
        with self._changed:
            return self._working

    @contextmanager
    def place(self, *, alone: bool, waiting: Callable[[], None], every_s: float) -> Iterator[None]:
        """A place for one job, with no other beside it if ``alone``; ``waiting`` is called every ``every_s`` till then.

        Raises what ``waiting`` raises.
        """
        me = object()
        try:
            while not self._enter(me, alone=alone, wait_s=every_s):
                waiting()
        except BaseException:
            self._leave(me, working=0)
            raise
        try:
            yield
        finally:
            self._leave(me, working=1)

    def _enter(self, me: object, *, alone: bool, wait_s: float) -> bool:
        with self._changed:
            is_free = self._changed.wait_for(lambda: self._is_free(me, alone=alone), wait_s)
            self._working += is_free
            return is_free

    def _is_free(self, me: object, *, alone: bool) -> bool:
        if not alone:
            return self._alone is None
        self._alone = self._alone or me  # from now on nobody else begins
        return self._alone is me and self._working == 0

    def _leave(self, me: object, *, working: int) -> None:
        with self._changed:
            self._working -= working
            if self._alone is me:
                self._alone = None
            self._changed.notify_all()

    @contextmanager
    def holding(self, held: Held) -> Iterator[None]:
        """While inside, the attempt may be requeued once, by its slot or by the code that ends the process."""
        with self._changed:
            self._held.add(held)
        try:
            yield
        finally:
            self.count_in(held)

    def count_in(self, held: Held) -> None:
        """The attempt counts, whatever happens to the process from now on, unless it was already requeued."""
        with self._changed:
            self._held.discard(held)

    def hand_back(self, held: Held) -> None:
        """The attempt does not count, unless it was already requeued or counted."""
        with self._changed:
            if held in self._held:
                log.warning("job.requeued", job=held.lease.job_id, attempt=held.attempt.number)
                self._store.hand_back(held.lease.job_id, held.attempt.number)
                self._held.discard(held)

    def hand_back_all(self, besides: Held | None = None) -> None:
        """Before the process is ended: no attempt counts but that of ``besides``. Their leases lapse."""
        with self._changed:
            for held in self._held - {besides}:
                try:
                    self.hand_back(held)
                except OSError as error:  # the others are requeued all the same
                    log.error("job.requeue_failed", job=held.lease.job_id, reason=str(error.strerror))

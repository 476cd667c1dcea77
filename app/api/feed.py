"""Every change of every job, looked for once for all who follow: twice a second, and only while somebody does."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from starlette.concurrency import run_in_threadpool

from app.jobs.queue.queue import JobQueue
from app.jobs.watch import JobChange, JobWatch
from app.records.store import JobStore

log = structlog.stdlib.get_logger("xmag.api")
TURN_S = 0.5


class Follower:
    """What one listener has not heard yet: of each job the latest only, however slowly it listens."""

    def __init__(self) -> None:
        self._unheard: dict[str, JobChange] = {}
        self._news = asyncio.Event()

    def tell(self, change: JobChange) -> None:
        """Keep a change for the listener."""
        self._unheard[change.job_id] = change
        self._news.set()

    async def hear(self, wait_s: float) -> list[JobChange]:
        """What is new; nothing after ``wait_s``."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), wait_s)
        heard, self._unheard = list(self._unheard.values()), {}
        self._news.clear()
        return heard


class JobFeed:
    """Followers, and the task that looks for them. Belongs to one event loop."""

    def __init__(self, store: JobStore, queue: JobQueue) -> None:
        self._store, self._queue = store, queue
        self._watch: JobWatch | None = None
        self._followers: set[Follower] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def following(self) -> Iterator[Follower]:
        """Hear of every job that is not over, then of every change, for as long as this block lasts."""
        follower = Follower()
        self._followers.add(follower)
        if self._watch is not None:
            for change in self._watch.unfinished():
                follower.tell(change)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def _run(self) -> None:
        watch = self._watch = JobWatch(self._store, self._queue)
        while self._followers:
            try:
                changes = await run_in_threadpool(watch.look)
            except OSError as error:
                log.error("feed.disk_unavailable", reason=str(error.strerror))
                changes = []
            except Exception:
                # Whatever it was, the next turn must come: streams that stay silent look like jobs that stand still.
                log.exception("feed.turn_failed")
                changes = []
            for change in changes:
                for follower in self._followers:
                    follower.tell(change)
            await asyncio.sleep(TURN_S)
        self._watch = None

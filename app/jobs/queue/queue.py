"""The queue: one Redis stream per priority, one consumer group, and a hash per job for lease and progress.

Nothing here is the truth: every key can be lost and is made again from the jobs on disk (reconcile.py).
A worker owns an entry as long as it renews it; an entry left alone for ``lease_s`` is claimed by another.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from redis.exceptions import ResponseError

from app.jobs.queue import queue_scripts as scripts
from app.records.record import NOBODY, PRIORITIES, Holder, Priority
from app.system.redis import PREFIX, RedisConnection

GROUP = "workers"
SERVED = f"{PREFIX}served"
Guest = Literal["tenant", "holder"]
LOOK_AGAIN_S = 0.05
FAIR_EVERY = 10
LAPSED_LEASES = 10
"""A silent worker may merely run on a busy machine, so a guest slot claims its job later than other slots do."""


@dataclass(frozen=True)
class Lease:
    """An entry this worker holds."""

    job_id: str
    stream: str
    entry: str


class JobQueue:
    """Streams, leases and progress. Raises QueueUnavailableError when Redis does not answer."""

    def __init__(self, redis: RedisConnection, lease_s: float) -> None:
        self.redis, self._client = redis, redis.client
        self.lease_ms = int(lease_s * 1000)
        self._taken = 0
        self._take = self._client.register_script(scripts.TAKE)
        self._enqueue = self._client.register_script(scripts.ENQUEUE)
        self._renew = self._client.register_script(scripts.RENEW)
        self._done = self._client.register_script(scripts.DONE)
        self._hand_back = self._client.register_script(scripts.HAND_BACK)
        self._progress = self._client.register_script(scripts.PROGRESS)
        self._future = self._client.register_script(scripts.FUTURE)
        self._redate = self._client.register_script(scripts.REDATE)

    @staticmethod
    def stream(priority: Priority) -> str:
        """Key of a priority's stream."""
        return f"{PREFIX}queue:{priority}"

    @staticmethod
    def job_key(job_id: str) -> str:
        """Key of a job's hash."""
        return f"{PREFIX}job:{job_id}"

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.redis.call(self._with_groups, function, *args, **kwargs)

    def _with_groups(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a command; consumer groups that Redis lost are made again."""
        try:
            return function(*args, **kwargs)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        self._make_groups()
        return function(*args, **kwargs)

    def _make_groups(self) -> None:
        for priority in PRIORITIES:
            try:
                self._client.xgroup_create(self.stream(priority), GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def enqueue(self, job_id: str, priority: Priority, holder: Holder = NOBODY) -> bool:
        """Queue a job of ``holder``; False if it is already queued."""
        stream = self.stream(priority)
        keys, args = [stream, self.job_key(job_id), _open(stream)], [job_id, holder.tenant, json.dumps(holder)]
        return bool(self._call(self._enqueue, keys=keys, args=args))

    def open_by_holder(self) -> Counter[Holder]:
        """Number of jobs waiting or running, by holder."""
        found: Counter[Holder] = Counter()
        for priority in PRIORITIES:
            counts = cast("dict[str, str]", self._call(self._client.hgetall, _open(self.stream(priority))))
            for holder, count in counts.items():
                found[Holder(*json.loads(holder))] += int(count)
        return found

    def depth(self) -> dict[Priority, int]:
        """Jobs waiting or running, by priority."""
        return {p: int(self._call(self._client.xlen, self.stream(p))) for p in PRIORITIES}

    def take(self, consumer: str, wait_s: float, guest: Guest | None = None) -> Lease | None:
        """The most urgent entry, new or with an expired lease; None after ``wait_s``.

        Among equally urgent jobs, that of the holder with the fewest running jobs. ``guest``: only of a tenant, or of a
        holder, without a running job. Every tenth time the least urgent one, so that routine jobs are done even if
        urgent jobs never end.
        """
        lease = self._take_now(consumer, guest)
        if lease is None and wait_s > 0:
            # Wait on the streams without claiming, then take in order of priority.
            self._call(self._client.xread, {self.stream(p): "$" for p in PRIORITIES}, count=1, block=int(wait_s * 1000))
            lease = self._take_now(consumer, guest)
        return lease

    def _take_now(self, consumer: str, guest: Guest | None) -> Lease | None:
        is_fair_turn = self._taken % FAIR_EVERY == FAIR_EVERY - 1
        streams = [self.stream(priority) for priority in PRIORITIES]
        for stream in reversed(streams) if is_fair_turn else streams:
            keys = [stream, _open(stream), SERVED, *streams]
            args = [GROUP, consumer, self.lease_ms * (LAPSED_LEASES if guest else 1), guest or ""]
            found = self._call(self._take, keys=keys, args=args)
            if found:
                self._taken += 1
                entry, job_id = found
                return Lease(job_id, stream, entry)
        return None

    def leave(self, consumer: str) -> None:
        """Forget a consumer that holds nothing any more."""
        for priority in PRIORITIES:
            stream = self.stream(priority)
            held = self._call(self._client.xpending_range, stream, GROUP, "-", "+", 1, consumername=consumer)
            if not held:
                self._call(self._client.xgroup_delconsumer, stream, GROUP, consumer)

    def renew(self, lease: Lease, consumer: str) -> bool | None:
        """True: still ours. False: another worker has it. None: the entry is gone."""
        answer = int(self._call(self._renew, keys=[lease.stream], args=[GROUP, consumer, lease.entry]))
        return {1: True, 0: False, -1: None}[answer]

    def done(self, lease: Lease) -> None:
        """Take the entry out: its outcome is on disk."""
        keys = [lease.stream, self.job_key(lease.job_id), _open(lease.stream)]
        self._call(self._done, keys=keys, args=[GROUP, lease.entry])

    def hand_back(self, lease: Lease) -> None:
        """Give the entry back unfinished."""
        keys = [lease.stream, self.job_key(lease.job_id)]
        self._call(self._hand_back, keys=keys, args=[GROUP, lease.entry])

    def report(self, lease: Lease, fields: dict[str, str | int]) -> None:
        """Write progress, unless the job has been requeued."""
        flat = [item for pair in fields.items() for item in pair]
        self._call(self._progress, keys=[self.job_key(lease.job_id)], args=[lease.entry, *flat])

    def progress(self, job_id: str) -> dict[str, str]:
        """The job's hash; empty when Redis has none."""
        return cast("dict[str, str]", self._call(self._client.hgetall, self.job_key(job_id)))

    def forget(self, job_id: str) -> None:
        """Remove a job that is over from its stream, if it has an entry."""
        found = self.progress(job_id)
        if found.get("entry") and found.get("stream"):
            self.done(Lease(job_id, found["stream"], found["entry"]))

    def lock(self, name: str, ttl_s: float) -> bool:
        """Take a lock that ends by itself; False if another holds it."""
        key, ttl_ms = f"{PREFIX}lock:{name}", int(ttl_s * 1000)
        if self._call(self._client.set, key, "1", nx=True, px=ttl_ms):
            return True
        if int(self._call(self._client.pttl, key)) > ttl_ms:  # the clock was set back since it was taken
            self._call(self._client.pexpire, key, ttl_ms)
        return False

    def redate(self) -> None:
        """Date anew what was leased before the wall clock was set back: else nobody could claim it until then."""
        first = {p: self._dated_ahead(p) for p in PRIORITIES}
        if any(first.values()):
            time.sleep(LOOK_AGAIN_S)  # a lease renewed just now shows no idle time either, but not for long
            for priority, entries in first.items():
                still = sorted(entries & self._dated_ahead(priority)) if entries else []
                if still:
                    self._call(self._redate, keys=[self.stream(priority)], args=[GROUP, *still])

    def _dated_ahead(self, priority: Priority) -> set[str]:
        return set(self._call(self._future, keys=[self.stream(priority)], args=[GROUP]))


def _open(stream: str) -> str:
    """Key of the counts of a stream's entries."""
    return f"{stream}:open"

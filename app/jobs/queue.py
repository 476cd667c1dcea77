"""The queue: one Redis stream per priority, one consumer group, and a hash per job for lease and progress.

Nothing here is the truth: every key can be lost and is made again from the jobs on disk (reconcile.py).
A worker owns an entry as long as it renews it; an entry left alone for ``lease_s`` is claimed by another.
"""

import time
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from app.errors import QueueUnavailableError
from app.jobs.record import PRIORITIES, Priority

GROUP = "workers"
PREFIX = "xmag:"
DEAD = f"{PREFIX}dead"
DOWN = "Redis does not answer. Check that it runs, and XMAG_REDIS_URL."
DOWN_S = 0.5

# Idempotent: a job whose entry still stands is not queued twice.
_ENQUEUE = """
local entry = redis.call('HGET', KEYS[2], 'entry')
if entry then
  local stream = redis.call('HGET', KEYS[2], 'stream')
  if #redis.call('XRANGE', stream, entry, entry) > 0 then return 0 end
end
local id = redis.call('XADD', KEYS[1], '*', 'job', ARGV[1])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'entry', id, 'stream', KEYS[1], 'state', 'queued')
return 1
"""

# Renews only what is still ours: 1 renewed, 0 another worker has it, -1 the entry is gone (Redis lost it).
_RENEW = """
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if #pending == 0 then
  if #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) == 0 then return -1 end
  return 0
end
if pending[1][2] ~= ARGV[2] then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
return 1
"""

_DONE = """
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
if redis.call('HGET', KEYS[2], 'entry') == ARGV[2] then redis.call('DEL', KEYS[2]) end
return 1
"""

# Puts the entry back at the end of its stream, at once free for anybody.
_HAND_BACK = """
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
local id = redis.call('XADD', KEYS[1], '*', 'job', ARGV[3])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'entry', id, 'stream', KEYS[1], 'state', 'queued')
return 1
"""

_PROGRESS = """
if redis.call('HGET', KEYS[1], 'entry') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
"""


# Redis measures leases and lives of keys by the wall clock. Once that was set back, what it wrote before lies in the
# future: an entry then shows no idle time, however often one looks, and a key lives longer than it was given.
_FUTURE = """
local found = {}
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000)) do
  if entry[3] == 0 then found[#found + 1] = entry[1] end
end
return found
"""
_REDATE = """
for i = 2, #ARGV do
  local entry = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if entry and entry[3] == 0 then redis.call('XCLAIM', KEYS[1], ARGV[1], entry[2], 0, ARGV[i], 'JUSTID') end
end
return 1
"""
LOOK_AGAIN_S = 0.05
FAIR_EVERY = 10


@dataclass(frozen=True)
class Lease:
    """An entry this worker holds."""

    job_id: str
    stream: str
    entry: str


def connect(url: str, timeout_s: float = 5) -> "redis.Redis":
    """A client that answers or raises within seconds; it never retries in silence."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(timeout_s, 2),
        retry=Retry(NoBackoff(), 0),
    )


class JobQueue:
    """Streams, leases and progress. Raises QueueUnavailableError when Redis does not answer."""

    def __init__(self, client: "redis.Redis", lease_s: float) -> None:
        self.client = client
        self.lease_ms = int(lease_s * 1000)
        self._down_until = 0.0
        self._taken = 0
        self._enqueue = client.register_script(_ENQUEUE)
        self._renew = client.register_script(_RENEW)
        self._done = client.register_script(_DONE)
        self._hand_back = client.register_script(_HAND_BACK)
        self._progress = client.register_script(_PROGRESS)
        self._future = client.register_script(_FUTURE)
        self._redate = client.register_script(_REDATE)

    @staticmethod
    def stream(priority: Priority) -> str:
        """Key of a priority's stream."""
        return f"{PREFIX}queue:{priority}"

    @staticmethod
    def job_key(job_id: str) -> str:
        """Key of a job's hash."""
        return f"{PREFIX}job:{job_id}"

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a command of ``client``; Redis's errors become QueueUnavailableError, lost groups are made again."""
        if time.monotonic() < self._down_until:
            raise QueueUnavailableError(DOWN)
        try:
            try:
                return function(*args, **kwargs)
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                self._make_groups()
                return function(*args, **kwargs)
        except ResponseError as error:
            raise QueueUnavailableError(f"Redis refused a command: {error}") from error
        except RedisError as error:
            # Many may be asking: only one in a while waits for the time-out.
            self._down_until = time.monotonic() + DOWN_S
            raise QueueUnavailableError(DOWN) from error

    def _make_groups(self) -> None:
        for priority in PRIORITIES:
            try:
                self.client.xgroup_create(self.stream(priority), GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def ping(self) -> None:
        """Whether Redis answers: returns or raises."""
        self.call(self.client.ping)

    def enqueue(self, job_id: str, priority: Priority) -> bool:
        """Queue a job; False if it stands there already."""
        return bool(self.call(self._enqueue, keys=[self.stream(priority), self.job_key(job_id)], args=[job_id]))

    def depth(self) -> dict[Priority, int]:
        """Jobs waiting or running, by priority."""
        return {p: int(self.call(self.client.xlen, self.stream(p))) for p in PRIORITIES}

    def take(self, consumer: str, wait_s: float) -> Lease | None:
        """The most urgent entry: first one whose worker fell silent, then a new one; None after ``wait_s``.

        Every tenth time the least urgent, so that what is routine is done also where urgent jobs never end.
        """
        lease = self._take_now(consumer)
        if lease is None and wait_s > 0:
            # Wait on the streams without claiming, then take in order of priority.
            self.call(self.client.xread, {self.stream(p): "$" for p in PRIORITIES}, count=1, block=int(wait_s * 1000))
            lease = self._take_now(consumer)
        return lease

    def _take_now(self, consumer: str) -> Lease | None:
        is_fair_turn = self._taken % FAIR_EVERY == FAIR_EVERY - 1
        for priority in reversed(PRIORITIES) if is_fair_turn else PRIORITIES:
            lease = self._take_from(self.stream(priority), consumer)
            if lease is not None:
                self._taken += 1
                return lease
        return None

    def _take_from(self, stream: str, consumer: str) -> Lease | None:
        silent = self._claim_silent(stream, consumer)
        if silent is not None:
            return silent
        fresh = self.call(self.client.xreadgroup, GROUP, consumer, {stream: ">"}, count=1)
        if not fresh:
            return None
        entry, fields = _first_entry(fresh)
        return Lease(fields["job"], stream, entry)

    def _claim_silent(self, stream: str, consumer: str) -> Lease | None:
        cursor = "0-0"
        while True:  # a call looks at ten entries only
            cursor, claimed, *_ = self.call(
                self.client.xautoclaim, stream, GROUP, consumer, min_idle_time=self.lease_ms, start_id=cursor, count=1
            )
            if claimed:
                entry, fields = claimed[0]
                return Lease(fields["job"], stream, entry)
            if cursor == "0-0":
                return None

    def leave(self, consumer: str) -> None:
        """Forget a consumer that holds nothing any more."""
        for priority in PRIORITIES:
            stream = self.stream(priority)
            held = self.call(self.client.xpending_range, stream, GROUP, "-", "+", 1, consumername=consumer)
            if not held:
                self.call(self.client.xgroup_delconsumer, stream, GROUP, consumer)

    def renew(self, lease: Lease, consumer: str) -> bool | None:
        """True: still ours. False: another worker has it. None: the entry is gone."""
        answer = int(self.call(self._renew, keys=[lease.stream], args=[GROUP, consumer, lease.entry]))
        return {1: True, 0: False, -1: None}[answer]

    def done(self, lease: Lease) -> None:
        """Take the entry out: its outcome is on disk."""
        self.call(self._done, keys=[lease.stream, self.job_key(lease.job_id)], args=[GROUP, lease.entry])

    def hand_back(self, lease: Lease) -> None:
        """Give the entry back unfinished."""
        keys = [lease.stream, self.job_key(lease.job_id)]
        self.call(self._hand_back, keys=keys, args=[GROUP, lease.entry, lease.job_id])

    def bury(self, job_id: str, code: str) -> None:
        """Note in the dead-letter stream that a job was given up."""
        self.call(self.client.xadd, DEAD, {"job": job_id, "code": code}, maxlen=10_000, approximate=True)

    def report(self, lease: Lease, fields: dict[str, str | int]) -> None:
        """Write progress, unless the job was queued anew meanwhile."""
        flat = [item for pair in fields.items() for item in pair]
        self.call(self._progress, keys=[self.job_key(lease.job_id)], args=[lease.entry, *flat])

    def progress(self, job_id: str) -> dict[str, str]:
        """The job's hash; empty when Redis has none."""
        return cast("dict[str, str]", self.call(self.client.hgetall, self.job_key(job_id)))

    def forget(self, job_id: str) -> None:
        """Take a job that is over out of its stream, if it stands there."""
        found = self.progress(job_id)
        if found.get("entry") and found.get("stream"):
            self.done(Lease(job_id, found["stream"], found["entry"]))

    def lock(self, name: str, ttl_s: float) -> bool:
        """Take a lock that ends by itself; False if another holds it."""
        key, ttl_ms = f"{PREFIX}lock:{name}", int(ttl_s * 1000)
        if self.call(self.client.set, key, "1", nx=True, px=ttl_ms):
            return True
        if int(self.call(self.client.pttl, key)) > ttl_ms:  # the clock was set back since it was taken
            self.call(self.client.pexpire, key, ttl_ms)
        return False

    def redate(self) -> None:
        """Date anew what was leased before the wall clock was set back: else nobody could claim it until then."""
        first = {p: self._dated_ahead(p) for p in PRIORITIES}
        if any(first.values()):
            time.sleep(LOOK_AGAIN_S)  # a lease renewed just now shows no idle time either, but not for long
            for priority, entries in first.items():
                still = sorted(entries & self._dated_ahead(priority)) if entries else []
                if still:
                    self.call(self._redate, keys=[self.stream(priority)], args=[GROUP, *still])

    def _dated_ahead(self, priority: Priority) -> set[str]:
        return set(self.call(self._future, keys=[self.stream(priority)], args=[GROUP]))


def _first_entry(answer: Any) -> tuple[str, dict[str, str]]:
    """First entry of an XREADGROUP answer, in either of redis-py's two forms."""
    streams = list(answer.values()) if isinstance(answer, dict) else [part[1] for part in answer]
    first = streams[0][0]
    if isinstance(first, list):  # RESP3 nests the entries once more
        first = first[0]
    return cast("tuple[str, dict[str, str]]", first)

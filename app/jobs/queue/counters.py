"""Counts that outlive a worker, for the metrics, in one Redis hash: outcomes, attempts, waits, and what work cost."""

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import cast

from app.records.record import PRIORITIES, FinalState, Priority
from app.system.redis import PREFIX, RedisConnection

KEY = f"{PREFIX}tally"
WAIT_BOUNDS_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, math.inf)
"""A wait is counted under the first bound that it does not exceed."""


@dataclass
class Waits:
    """``counts``: jobs for each of ``WAIT_BOUNDS_S``; ``seconds``: their waits in all."""

    counts: list[int] = field(default_factory=lambda: [0] * len(WAIT_BOUNDS_S))
    seconds: float = 0.0


@dataclass
class Tally:
    """The counts so far.

    ``outcomes``: (state, error code or "") → jobs. ``attempts``: is it a repetition → attempts. ``waits``: from
    acceptance to the first attempt. Of succeeded jobs: seconds by stage, and tiles. ``batch_tiles`` in the
    batches computed, for whichever job, and ``batch_room``, the tiles that they had room for; ``batches_split`` for
    want of memory on the device.
    """

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    attempts: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    waits: dict[Priority, Waits] = field(default_factory=lambda: {priority: Waits() for priority in PRIORITIES})
    stage_seconds: dict[str, float] = field(default_factory=dict)
    tiles: int = 0
    batch_tiles: int = 0
    batch_room: int = 0
    batches_split: int = 0


def count_outcome(redis: RedisConnection, state: FinalState, code: str | None) -> None:
    """One more job ended so."""
    redis.call(redis.client.hincrby, KEY, f"outcome:{state}:{code or ''}", 1)


def count_attempt(redis: RedisConnection, *, is_repeated: bool) -> None:
    """One more attempt; ``is_repeated``: after one that ended without an outcome."""
    redis.call(redis.client.hincrby, KEY, f"attempts:{'again' if is_repeated else 'first'}", 1)


def count_wait(redis: RedisConnection, priority: Priority, wait_s: float) -> None:
    """One more job waited so long for its first attempt."""
    pipeline = redis.client.pipeline(transaction=False)
    pipeline.hincrby(KEY, f"waits:{priority}:{bisect_left(WAIT_BOUNDS_S, wait_s)}", 1)
    pipeline.hincrbyfloat(KEY, f"waited:{priority}", wait_s)
    redis.call(pipeline.execute)


def count_work(redis: RedisConnection, timings_s: dict[str, float], tiles: int) -> None:
    """What a succeeded job cost."""
    pipeline = redis.client.pipeline(transaction=False)
    for stage, seconds in timings_s.items():
        pipeline.hincrbyfloat(KEY, f"seconds:{stage}", seconds)
    pipeline.hincrby(KEY, "tiles", tiles)
    redis.call(pipeline.execute)


def count_batches(redis: RedisConnection, tiles: int, room: int, split: int) -> None:
    """Batches computed: the tiles in them, those that they had room for, and how many batches were ``split``."""
    pipeline = redis.client.pipeline(transaction=False)
    pipeline.hincrby(KEY, "batch_tiles", tiles)
    pipeline.hincrby(KEY, "batch_room", room)
    pipeline.hincrby(KEY, "batches_split", split)
    redis.call(pipeline.execute)


def read_tally(redis: RedisConnection) -> Tally:
    """The counts so far; from zero again after Redis lost its memory."""
    found = cast("dict[str, str]", redis.call(redis.client.hgetall, KEY))
    names = ("tiles", "batch_tiles", "batch_room", "batches_split")
    tiles, batch_tiles, batch_room, batches_split = (int(found.get(name, 0)) for name in names)
    tally = Tally(tiles=tiles, batch_tiles=batch_tiles, batch_room=batch_room, batches_split=batches_split)
    for name, value in found.items():
        match name.split(":"):
            case ["outcome", state, code]:
                tally.outcomes[state, code] = int(value)
            case ["attempts", which]:
                tally.attempts[which == "again"] = int(value)
            case ["seconds", stage]:
                tally.stage_seconds[stage] = float(value)
            case ["waits", priority, bound]:
                tally.waits[cast("Priority", priority)].counts[int(bound)] = int(value)
            case ["waited", priority]:
                tally.waits[cast("Priority", priority)].seconds = float(value)
    return tally

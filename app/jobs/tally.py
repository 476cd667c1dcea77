"""Counts that outlive a worker: outcomes, tiles and seconds by stage, in one Redis hash, for the metrics."""

from dataclasses import dataclass
from typing import cast

from app.jobs.queue import PREFIX, JobQueue
from app.jobs.record import FinalState

KEY = f"{PREFIX}tally"


@dataclass(frozen=True)
class Tally:
    """``outcomes``: (state, error code or "") → jobs; seconds by stage and tiles are of succeeded jobs.

    ``wait_s``: from acceptance to the first attempt, summed over jobs.
    """

    outcomes: dict[tuple[str, str], int]
    stage_seconds: dict[str, float]
    tiles: int
    attempts: int
    wait_s: float


def count_outcome(queue: JobQueue, state: FinalState, code: str | None) -> None:
    """One more job ended so."""
    queue.call(queue.client.hincrby, KEY, f"outcome:{state}:{code or ''}", 1)


def count_attempt(queue: JobQueue, wait_s: float | None) -> None:
    """One more attempt; ``wait_s``: how long its job had waited, if it is the first."""
    pipeline = queue.client.pipeline(transaction=False)
    pipeline.hincrby(KEY, "attempts", 1)
    if wait_s is not None:
        pipeline.hincrbyfloat(KEY, "wait", wait_s)
    queue.call(pipeline.execute)


def count_work(queue: JobQueue, timings_s: dict[str, float], tiles: int) -> None:
    """What a succeeded job cost."""
    pipeline = queue.client.pipeline(transaction=False)
    for stage, seconds in timings_s.items():
        pipeline.hincrbyfloat(KEY, f"seconds:{stage}", seconds)
    pipeline.hincrby(KEY, "tiles", tiles)
    queue.call(pipeline.execute)


def read_tally(queue: JobQueue) -> Tally:
    """The counts so far; from zero again after Redis lost its memory."""
    found = cast("dict[str, str]", queue.call(queue.client.hgetall, KEY))
    outcomes: dict[tuple[str, str], int] = {}
    seconds: dict[str, float] = {}
    for name, value in found.items():
        kind, _, rest = name.partition(":")
        if kind == "outcome":
            state, _, code = rest.partition(":")
            outcomes[state, code] = int(value)
        elif kind == "seconds":
            seconds[rest] = float(value)
    return Tally(
        outcomes,
        seconds,
        tiles=int(found.get("tiles", 0)),
        attempts=int(found.get("attempts", 0)),
        wait_s=float(found.get("wait", 0.0)),
    )

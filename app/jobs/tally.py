"""Counts that outlive a worker: outcomes, tiles and seconds by stage, in one Redis hash, for the metrics."""

from dataclasses import dataclass
from typing import cast

from app.jobs.queue import PREFIX, JobQueue
from app.jobs.record import FinalState

KEY = f"{PREFIX}tally"


@dataclass(frozen=True)
class Tally:
    """``outcomes``: (state, error code or "") → jobs; seconds and tiles are of succeeded jobs."""

    outcomes: dict[tuple[str, str], int]
    stage_seconds: dict[str, float]
    tiles: int


def count_outcome(queue: JobQueue, state: FinalState, code: str | None) -> None:
    """One more job ended so."""
    queue.call(queue.client.hincrby, KEY, f"outcome:{state}:{code or ''}", 1)


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
    return Tally(outcomes, seconds, int(found.get("tiles", 0)))

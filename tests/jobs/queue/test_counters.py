"""What is counted in Redis is what is read back."""

import pytest

from app.jobs.queue.counters import (
    WAIT_BOUNDS_S,
    Tally,
    count_attempt,
    count_batches,
    count_outcome,
    count_wait,
    count_work,
    read_tally,
)


def test_nothing_counted_is_zero_for_every_priority(queue):
    tally = read_tally(queue.redis)
    assert tally == Tally()
    assert {priority: sum(waits.counts) for priority, waits in tally.waits.items()} == {
        "stat": 0, "asap": 0, "urgent": 0, "routine": 0,
    }  # fmt: skip


def test_counts_add_up(queue):
    count_outcome(queue.redis, "succeeded", None)
    for _ in range(2):
        count_outcome(queue.redis, "failed", "slide_corrupt")
        count_work(queue.redis, {"embed": 1.5, "survey": 0.25}, tiles=40)
        count_batches(queue.redis, tiles=41, room=48, split=3)
    for is_repeated in (False, False, True):
        count_attempt(queue.redis, is_repeated=is_repeated)
    tally = read_tally(queue.redis)
    assert tally.outcomes == {("succeeded", ""): 1, ("failed", "slide_corrupt"): 2}
    assert tally.attempts == {False: 2, True: 1}
    assert tally.stage_seconds == {"embed": 3.0, "survey": 0.5}
    assert (tally.tiles, tally.batch_tiles, tally.batch_room, tally.batches_split) == (80, 82, 96, 6)


def test_waits_are_counted_under_the_first_bound_that_they_do_not_exceed(queue):
    for wait_s in (0.0, 1.0, 1.001, 300.0, 301.0, 10**6):
        count_wait(queue.redis, "stat", wait_s)
    stat = read_tally(queue.redis).waits["stat"]
    counted = dict(zip(WAIT_BOUNDS_S, stat.counts, strict=True))
    assert {bound: count for bound, count in counted.items() if count} == {
        1.0: 2, 5.0: 1, 300.0: 1, 900.0: 1, float("inf"): 1,
    }  # fmt: skip
    assert stat.seconds == pytest.approx(1_000_602.001)

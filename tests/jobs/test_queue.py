import time

import pytest

from app.errors import QueueUnavailableError
from app.jobs.queue import JobQueue, Lease, connect


def test_the_most_urgent_comes_first_and_equals_in_order(queue):
    for job, priority in [("a", "routine"), ("b", "urgent"), ("c", "stat"), ("d", "asap"), ("e", "routine")]:
        assert queue.enqueue(job, priority)
    assert [queue.take("w", 0).job_id for _ in range(5)] == ["c", "d", "b", "a", "e"]
    assert queue.take("w", 0) is None
    assert queue.depth() == {"stat": 1, "asap": 1, "urgent": 1, "routine": 2}


def test_queueing_twice_queues_once_also_while_it_runs(queue):
    assert queue.enqueue("a", "routine")
    assert not queue.enqueue("a", "routine")
    lease = queue.take("w", 0)
    assert not queue.enqueue("a", "routine")
    queue.done(lease)
    assert queue.depth()["routine"] == 0
    assert queue.enqueue("a", "routine")


def test_a_renewed_lease_is_kept_and_a_silent_one_goes_to_another(queue):
    queue.enqueue("a", "routine")
    lease = queue.take("first", 0)
    for _ in range(4):
        time.sleep(0.2)
        assert queue.renew(lease, "first") is True
        assert queue.take("second", 0) is None
    time.sleep(0.6)
    taken = queue.take("second", 0)
    assert taken == lease
    assert queue.renew(lease, "first") is False
    assert queue.renew(taken, "second") is True


def test_what_redis_lost_is_told_apart_from_what_another_took(queue):
    queue.enqueue("a", "routine")
    lease = queue.take("w", 0)
    queue.client.flushall()
    assert queue.renew(lease, "w") is None
    assert queue.take("w", 0) is None
    assert queue.enqueue("a", "routine")
    assert queue.take("w", 0).job_id == "a"


def test_handing_back_frees_the_job_at_once(queue):
    queue.enqueue("a", "routine")
    lease = queue.take("first", 0)
    queue.report(lease, {"state": "running", "stage": "tiles", "done": 1, "total": 2})
    queue.hand_back(lease)
    assert queue.progress("a")["state"] == "queued"
    assert queue.take("second", 0).job_id == "a"


def test_progress_of_a_lost_lease_is_not_shown(queue):
    queue.enqueue("a", "routine")
    lease = queue.take("w", 0)
    queue.report(lease, {"state": "running", "done": 1})
    assert queue.progress("a")["done"] == "1"
    queue.report(Lease("a", lease.stream, "1-1"), {"done": 9})
    assert queue.progress("a")["done"] == "1"
    queue.done(lease)
    assert queue.progress("a") == {}


def test_forgetting_a_waiting_job(queue):
    queue.enqueue("a", "stat")
    queue.forget("a")
    queue.forget("never there")
    assert queue.take("w", 0) is None
    assert queue.depth()["stat"] == 0


def test_waiting_ends_when_a_job_comes_or_the_time_is_up(queue, queue_url):
    start = time.monotonic()
    assert queue.take("w", 0.3) is None
    assert 0.2 < time.monotonic() - start < 2
    queue.enqueue("a", "routine")
    assert queue.take("w", 5).job_id == "a"


def test_a_lock_is_held_by_one_and_ends_by_itself(queue):
    assert queue.lock("x", 0.2)
    assert not queue.lock("x", 0.2)
    time.sleep(0.3)
    assert queue.lock("x", 0.2)


def test_no_redis_is_a_typed_error_within_seconds(tmp_path):
    dead = JobQueue(connect(f"unix://{tmp_path}/none.sock"), 1)
    start = time.monotonic()
    for call in (dead.ping, dead.depth, lambda: dead.take("w", 0), lambda: dead.enqueue("a", "stat")):
        with pytest.raises(QueueUnavailableError):
            call()
    assert time.monotonic() - start < 5


def test_a_lock_from_before_the_clock_was_set_back_ends_in_its_time(queue):
    queue.client.set("xmag:lock:x", "1", px=3_600_000)  # what a lock of a second looks like after an hour's jump
    assert not queue.lock("x", 1)
    assert queue.client.pttl("xmag:lock:x") <= 1000


def test_dating_anew_leaves_a_lease_that_is_right_as_it_is(queue):
    queue.enqueue("a", "routine")
    queue.take("first", 0)
    queue.redate()
    time.sleep(0.6)
    queue.redate()
    assert queue.take("second", 0).job_id == "a"


def test_a_stat_job_overtakes_fifty_routine_ones(queue):
    for number in range(50):
        queue.enqueue(f"routine-{number}", "routine")
    queue.take("w", 0)
    queue.enqueue("now", "stat")
    assert queue.take("w", 0).job_id == "now"


def test_routine_is_done_where_stat_never_ends(queue):
    queue.enqueue("routine", "routine")
    taken = []
    for number in range(20):
        queue.enqueue(f"stat-{number}", "stat")
        lease = queue.take("w", 0)
        taken.append(lease.job_id)
        queue.done(lease)
    assert 5 <= taken.index("routine") < 10
    assert taken[:5] == [f"stat-{number}" for number in range(5)]

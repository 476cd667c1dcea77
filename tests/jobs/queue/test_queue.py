import itertools
import time

import pytest

from app.errors import QueueUnavailableError
from app.jobs.queue.queue import JobQueue, Lease
from app.records.record import Holder
from app.system.redis import RedisConnection


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
    queue.redis.client.flushall()
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
    dead = JobQueue(RedisConnection(f"unix://{tmp_path}/none.sock"), 1)
    start = time.monotonic()
    for call in (dead.redis.ping, dead.depth, lambda: dead.take("w", 0), lambda: dead.enqueue("a", "stat")):
        with pytest.raises(QueueUnavailableError):
            call()
    assert time.monotonic() - start < 5


def test_a_lock_from_before_the_clock_was_set_back_ends_in_its_time(queue):
    queue.redis.client.set("xmag:lock:x", "1", px=3_600_000)  # what a lock of a second looks like after an hour's jump
    assert not queue.lock("x", 1)
    assert queue.redis.client.pttl("xmag:lock:x") <= 1000


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


LAB, COLLEAGUE, CLINIC = Holder("lab", "1"), Holder("lab", "2"), Holder("clinic", "ä/1")


def queued(queue, **counts):
    """Queue so many routine jobs, named by whose they are and by number."""
    holders = {"lab": LAB, "colleague": COLLEAGUE, "clinic": CLINIC}
    for name, count in counts.items():
        for number in range(count):
            assert queue.enqueue(f"{name}-{number}", "routine", holders[name])


def taken(queue, count=1, guest=None) -> list[str]:
    leases = [queue.take("w", 0, guest) for _ in range(count)]
    return [lease.job_id if lease else "" for lease in leases]


def test_who_has_a_thousand_jobs_in_the_queue_keeps_no_other_waiting(queue):
    queued(queue, lab=1000, colleague=2, clinic=2)
    assert sorted(taken(queue, 4)) == ["clinic-0", "clinic-1", "colleague-0", "lab-0"]
    assert sorted(queue.open_by_holder().items()) == [(CLINIC, 2), (LAB, 1000), (COLLEAGUE, 2)]


def test_where_one_job_runs_at_a_time_the_turn_goes_round_tenants_then_keys(queue):
    queued(queue, lab=4, colleague=4, clinic=4)
    order = []
    for _ in range(12):
        lease = queue.take("w", 0)
        order.append(lease.job_id)
        queue.done(lease)
    tenants = [job_id.partition("-")[0].replace("colleague", "lab") for job_id in order]
    assert all(one != next_one for one, next_one in itertools.pairwise(tenants[:8]))
    of_lab = [job_id for job_id in order if not job_id.startswith("clinic")]
    assert [job_id.partition("-")[2] for job_id in of_lab] == ["0", "0", "1", "1", "2", "2", "3", "3"]
    assert [job_id for job_id in order if job_id.startswith("lab")] == [f"lab-{number}" for number in range(4)]
    assert queue.open_by_holder() == {}


def test_a_guests_slot_is_for_those_who_have_none_in_hand(queue):
    queued(queue, lab=3)
    assert taken(queue, 2, "tenant") == ["lab-0", ""]
    assert taken(queue, 1, "holder") == [""]
    queued(queue, colleague=2)
    assert taken(queue, 1, "tenant") == [""]
    assert taken(queue, 2, "holder") == ["colleague-0", ""]
    queued(queue, clinic=2)
    assert taken(queue, 2, "tenant") == ["clinic-0", ""]
    assert "" not in taken(queue, 4)


def test_a_silent_workers_job_is_nobodys_in_hand_and_a_guest_takes_it_last(queue):
    queue = JobQueue(queue.redis, lease_s=0.1)
    queued(queue, lab=1)
    first = queue.take("dead", 0)
    time.sleep(0.15)
    assert queue.take("w", 0, "tenant") is None
    assert queue.take("w", 0) == first
    assert queue.renew(first, "dead") is False
    time.sleep(1.1)
    assert queue.take("guest", 0, "tenant") == first


def test_jobs_are_counted_by_whose_they_are_from_first_to_last(queue):
    queued(queue, lab=2, clinic=1)
    assert not queue.enqueue("lab-0", "routine", LAB)
    queue.enqueue("now", "stat", LAB)
    now = queue.take("w", 0)
    queue.hand_back(now)
    assert queue.open_by_holder() == {LAB: 3, CLINIC: 1}
    queue.forget("clinic-0")
    again = queue.take("w", 0)
    queue.done(again)
    queue.done(again)
    assert (again.job_id, queue.open_by_holder()) == ("now", {LAB: 2})
    queue.redis.client.flushall()
    queue.hand_back(again)  # Redis lost it: it is queued again from disk, with whose it is
    assert queue.open_by_holder() == {}

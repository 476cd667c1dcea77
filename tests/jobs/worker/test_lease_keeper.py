"""One look of the keeper at a time: what it renews and reports, when it stops the work, when it ends the process."""

import threading
from unittest.mock import MagicMock

import pytest

from app.errors import CancelledError
from app.jobs.queue.queue import Lease
from app.jobs.worker.in_hand import Held
from app.jobs.worker.lease_keeper import EXIT_STUCK, STUCK_S, Keeper, Stop
from tests.jobs.requests import committed, outcome
from tests.jobs.worker.fakes import away


def begun(bench) -> Held:
    """A job on which an attempt has begun."""
    job_id = committed(bench.store).id
    return Held(Lease(job_id, "stream", "0-1"), "w", bench.store.begin_attempt(job_id, "w"))


@pytest.fixture
def held(bench):
    return begun(bench)


@pytest.fixture
def keeper(bench, held):
    """Its thread is not started: a test takes the turns."""
    return Keeper(bench.shared, held)


def cancel(bench, held):
    bench.store.finish(held.lease.job_id, outcome("cancelled"))


# Lease and progress


def test_a_lease_is_renewed_three_times_while_it_lasts(bench, keeper):
    renewals = []
    bench.queue.when["renew"] = lambda: renewals.append(bench.clock())
    for _ in range(12):
        keeper.turn()
        bench.clock.advance(bench.settings.lease_s / 12)
    assert len(renewals) == 3


def test_progress_is_reported_once_it_changed(bench, keeper):
    keeper.turn()
    keeper.progress("tiles", 1, 2)
    keeper.turn()
    keeper.turn()
    assert [report.get("done") for report in bench.queue.reports] == [None, 1]


def test_progress_that_redis_did_not_take_is_reported_when_it_is_back(bench, keeper):
    keeper.progress("tiles", 1, 2)
    bench.queue.when["report"] = away
    keeper.turn()
    del bench.queue.when["report"]
    keeper.turn()
    assert [report["done"] for report in bench.queue.reports] == [1]


def test_while_it_is_wanted_the_work_goes_on(keeper):
    keeper.turn()
    keeper.progress("tiles", 1, 2)
    assert keeper.stopped is None


# Reasons to stop


def lost(bench, held):
    bench.queue.renewed = False


def late(bench, held):
    bench.clock.advance(bench.settings.job_deadline_s + 1)


def draining(bench, held):
    bench.shared.stop()
    bench.clock.advance(bench.settings.drain_s + 1)


def erased(bench, held):
    bench.store.erase(held.lease.job_id)


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (cancel, Stop.CANCELLED),
        (erased, Stop.CANCELLED),
        (lost, Stop.LOST),
        (late, Stop.DEADLINE),
        (draining, Stop.HANDED_BACK),
    ],
)
def test_a_reason_to_stop_kills_the_reader_and_the_analysis_learns_of_it(bench, held, keeper, happens, why):
    reader = MagicMock()
    with keeper.aborting(reader):
        happens(bench, held)
        keeper.turn()
    assert keeper.stopped is why and reader.close.called
    with pytest.raises(CancelledError, match=why.value):
        keeper.progress("tiles", 1, 2)


def test_a_reader_that_comes_after_the_stop_is_killed_at_once(bench, held, keeper):
    cancel(bench, held)
    keeper.turn()
    reader = MagicMock()
    with keeper.aborting(reader):
        assert reader.close.called


def test_the_first_reason_stands(bench, held, keeper):
    cancel(bench, held)
    keeper.turn()
    lost(bench, held)
    bench.shared.hurry()
    keeper.turn()
    assert keeper.stopped is Stop.CANCELLED


@pytest.mark.parametrize("answer", [away, lambda: None])
def test_a_queue_that_does_not_answer_or_lost_the_entry_stops_nothing(bench, keeper, answer):
    bench.queue.when["renew"], bench.queue.renewed = answer, None
    keeper.turn()
    assert keeper.stopped is None


def test_a_folder_that_cannot_be_looked_at_for_now_stops_nothing(bench, keeper, monkeypatch):
    def stale(_):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(bench.store, "is_over", stale)
    keeper.turn()
    assert keeper.stopped is None


# The deadline


def test_at_the_deadline_the_outcome_is_written_at_once(bench, held, keeper):
    late(bench, held)
    keeper.turn()
    assert bench.ending(held.lease.job_id) == "deadline_exceeded"


def test_a_deadline_that_cannot_be_written_stops_the_work_all_the_same(bench, held, keeper, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bench.store, "finish", full)
    late(bench, held)
    keeper.turn()
    assert keeper.stopped is Stop.DEADLINE


# Work that does not stop


@pytest.fixture
def exits(monkeypatch):
    """The codes that the process was to end with."""
    codes = []
    monkeypatch.setattr("app.jobs.worker.lease_keeper.os._exit", codes.append)
    return codes


@pytest.mark.parametrize(("happens", "counts"), [(cancel, 1), (late, 1), (lost, 0), (draining, 0)])
def test_work_that_does_not_stop_ends_the_process_and_the_others_are_handed_back(
    bench, held, keeper, exits, happens, counts
):
    other = begun(bench)
    with bench.shared.in_hand.holding(held), bench.shared.in_hand.holding(other):
        happens(bench, held)
        keeper.turn()
        bench.clock.advance(STUCK_S - 1)
        keeper.turn()
        assert exits == []
        bench.clock.advance(2)
        keeper.turn()
    assert exits == [EXIT_STUCK]
    assert (bench.counted(other.lease.job_id), bench.counted(held.lease.job_id)) == (0, counts)


def test_the_process_ends_also_where_nothing_can_be_handed_back(bench, held, keeper, exits, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bench.store, "hand_back", full)
    bench.shared.hurry()
    keeper.turn()
    bench.clock.advance(STUCK_S + 1)
    with bench.shared.in_hand.holding(held), pytest.raises(OSError, match="No space"):
        keeper.turn()
    assert exits == [EXIT_STUCK]


# Its thread


def test_beside_the_work_the_keeper_looks_by_itself_until_the_work_is_over(bench, held, keeper):
    looked = threading.Event()
    bench.queue.when["report"] = looked.set
    with keeper:
        assert looked.wait(10)
    assert "keeper" not in {thread.name for thread in threading.enumerate()}

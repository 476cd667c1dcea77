"""What becomes of one job, whatever happens while a slot has it. Queue, clock and model are made up (fakes.py)."""

import errno
import inspect

import pytest

from app.errors import (
    DecoderCrashedError,
    ModelNotFoundError,
    SlideCorruptError,
)
from app.jobs.queue.queue import JobQueue
from app.jobs.worker.lease_keeper import Keeper
from app.jobs.worker.slot import TURN_SLACK_S, Slot
from tests.jobs.requests import outcome
from tests.jobs.worker.fakes import FakeQueue, audited, fail_with, go_on_after, only_job, succeed

CRASH = DecoderCrashedError("The decoder crashed.")
DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


def test_the_made_up_queue_is_called_as_the_real_one_is():
    for name in ("take", "renew", "done", "hand_back", "report"):
        made_up, real = (inspect.signature(getattr(kind, name)) for kind in (FakeQueue, JobQueue))
        assert [*made_up.parameters] == [*real.parameters]


# A job that runs undisturbed


def test_a_success_is_one_outcome_with_its_files_and_the_entry_is_done(bench):
    job = bench.run(succeed)
    assert (bench.ending(job), bench.store.outcome(job).folder) == ("succeeded", "attempt-1")
    assert (bench.queue.ended, bench.queue.held) == ([job], [])
    assert audited(bench) == ["succeeded"]


def test_without_a_job_a_turn_leaves_nothing(bench):
    bench.slot.turn()
    assert bench.store.ids_newest_first() == [] and not bench.pauses.waited


def test_a_guest_slot_takes_nothing_while_another_slot_is_free(bench):
    bench.submit()
    Slot(bench.shared, "tenant").turn()
    assert bench.queue.held == [] and bench.pauses.waited


# A job that fails


def test_an_error_that_may_pass_leaves_the_lease_to_lapse_and_no_files(bench):
    job = bench.run(fail_with(CRASH))
    assert (bench.ending(job), bench.queue.held) == (None, [job])
    assert (bench.counted(job), bench.store.attempts(job).lost) == (1, 0)
    assert bench.files(job) == []


def test_the_next_attempt_may_succeed(bench):
    job = bench.run(fail_with(CRASH))
    bench.work = succeed
    bench.try_again()
    assert (bench.ending(job), bench.store.outcome(job).folder) == ("succeeded", "attempt-2")


def test_the_last_attempt_fails_the_job_with_the_errors_code(bench):
    job = bench.run(fail_with(CRASH))
    bench.try_again()
    assert bench.ending(job) is None
    bench.try_again()
    assert (bench.ending(job), bench.store.outcome(job).attempt) == ("decoder_crashed", 3)
    assert bench.queue.ended == [job]


@pytest.mark.parametrize("error", [SlideCorruptError("It is damaged."), ModelNotFoundError("No such model.")])
def test_an_error_that_stays_fails_the_job_at_once(bench, error):
    job = bench.run(fail_with(error))
    assert (bench.ending(job), bench.counted(job)) == (error.code, 1)
    assert bench.queue.ended == [job]


def test_what_a_failed_attempt_wrote_is_kept_with_the_outcome(bench):
    job = bench.run(fail_with(SlideCorruptError("It is damaged.")))
    assert bench.store.outcome(job).folder == "attempt-1"
    assert bench.files(job) == ["attempt-1/half.png"]


def test_an_error_that_nobody_foresaw_is_tried_again_and_tells_nothing_of_itself(make_bench):
    bench = make_bench(attempts_max=1)
    job = bench.run(fail_with(RuntimeError("a patient's name")))
    assert bench.ending(job) == "internal_error"
    assert "patient" not in bench.store.outcome(job).error.message


def test_attempts_that_ended_without_a_word_are_enough_to_give_the_job_up(bench):
    job = bench.submit()
    for _ in range(3):
        bench.store.begin_attempt(job, "a worker that died")
    bench.work = fail_with(AssertionError("it was tried once more"))
    bench.slot.turn()
    assert (bench.ending(job), bench.store.outcome(job).attempt) == ("attempts_exhausted", 3)
    assert bench.queue.ended == [job]


def test_a_record_that_cannot_be_read_fails_its_job(bench):
    job = bench.submit()
    (bench.store.folder(job) / "request.json").write_text("{")
    bench.slot.turn()
    assert (bench.ending(job), bench.store.outcome(job).attempt) == ("record_unreadable", 0)
    assert bench.queue.ended == [job]


def test_trouble_outside_the_analysis_ends_neither_slot_nor_lease(bench, monkeypatch):
    monkeypatch.setattr(bench.store, "begin_attempt", lambda *_: 1 / 0)
    job = bench.run(succeed)
    assert (bench.ending(job), bench.queue.held) == (None, [job])


# A job that is over before its time


def test_a_job_that_is_over_already_is_let_go_untouched(bench):
    job = bench.submit()
    bench.store.finish(job, outcome("cancelled"))
    bench.slot.turn()
    assert (bench.queue.ended, bench.counted(job)) == ([job], 0)


def test_an_erased_job_is_let_go(bench):
    job = bench.submit()
    bench.store.erase(job)
    bench.slot.turn()
    assert bench.queue.ended == [job]


def cancel(bench):
    bench.shared.finisher.finish(only_job(bench), outcome("cancelled"))


def test_a_job_that_is_cancelled_while_it_runs_stops_and_leaves_no_files(bench):
    job = bench.run(go_on_after(lambda: cancel(bench)))
    assert (bench.ending(job), bench.files(job)) == ("cancelled", [])
    assert bench.queue.ended == [job]
    assert audited(bench) == ["cancelled"]


def test_a_result_that_comes_after_the_cancelling_is_not_kept(bench):
    def work(*given):
        cancel(bench)
        succeed(*given)

    job = bench.run(work)
    assert (bench.ending(job), bench.files(job)) == ("cancelled", [])
    assert bench.queue.ended == [job]


def test_a_job_past_its_deadline_is_ended_and_not_tried_again(bench):
    job = bench.run(go_on_after(lambda: bench.clock.advance(bench.settings.job_deadline_s + 1)))
    assert (bench.ending(job), bench.files(job)) == ("deadline_exceeded", [])
    assert (bench.queue.ended, bench.counted(job)) == ([job], 1)


@pytest.mark.parametrize(
    "error", [CRASH, SlideCorruptError("It is damaged."), FileNotFoundError(2, "gone"), DISK_FULL, None]
)
def test_of_a_job_that_was_erased_while_it_ran_only_the_tombstone_stays(bench, monkeypatch, error):
    monkeypatch.setattr(Keeper, "turn", lambda _: None)  # it has not looked since

    def work(*given):
        bench.store.erase(only_job(bench))
        if error is not None:
            raise error

    job = bench.run(work)
    assert [path.name for path in bench.store.folder(job).iterdir()] == ["tombstone.json"]
    assert bench.queue.ended == [job]


def test_the_work_on_a_job_that_is_erased_is_stopped(bench):
    job = bench.run(go_on_after(lambda: bench.store.erase(only_job(bench))))
    assert [path.name for path in bench.store.folder(job).iterdir()] == ["tombstone.json"]
    assert bench.queue.ended == [job]


# A slot that hangs


def test_a_slot_that_has_not_turned_for_longer_than_a_job_may_take_is_stuck(bench):
    bench.slot.turn()
    bench.clock.advance(bench.settings.job_deadline_s + TURN_SLACK_S - 1)
    assert bench.slot.is_turning
    bench.clock.advance(2)
    assert not bench.slot.is_turning
    bench.slot.turn()
    assert bench.slot.is_turning

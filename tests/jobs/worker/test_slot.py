"""What becomes of one job, whatever happens while a slot has it. Queue, clock and model are made up (fakes.py)."""

import errno
import inspect
import json
from collections import namedtuple
from contextlib import ExitStack

import pytest

from app.errors import (
    CancelledError,
    DecoderCrashedError,
    DiskLowError,
    InferenceFailedError,
    ModelNotFoundError,
    SlideCorruptError,
)
from app.jobs.queue.queue import JobQueue
from app.jobs.worker.lease_keeper import Keeper
from app.jobs.worker.slot import PAUSE_S, TURN_SLACK_S, ModelBrokenError, Slot
from tests.jobs.requests import outcome
from tests.jobs.worker.fakes import FakeQueue, away, fail_with, go_on_after, succeed

CRASH = DecoderCrashedError("The decoder crashed.")
DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


def audited(bench) -> list[str]:
    """How jobs ended, as the audit log has it."""
    lines = (bench.settings.data_dir / "audit.jsonl").read_text().splitlines()
    return [entry["detail"].split()[0] for entry in map(json.loads, lines) if entry["action"] == "job.over"]


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


def only_job(bench) -> str:
    return bench.store.ids_newest_first()[0]


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


# A job that another worker has now


def test_a_job_that_was_lost_to_another_worker_is_stopped_and_this_attempt_does_not_count(bench):
    def lose():
        bench.queue.renewed = False
        bench.clock.advance(bench.settings.lease_s)

    job = bench.run(go_on_after(lose))
    assert (bench.ending(job), bench.counted(job), bench.files(job)) == (None, 0, [])
    assert (bench.queue.ended, bench.queue.handed_back) == ([], [])  # the entry is the other's


def test_the_outcome_of_the_other_worker_stands(bench):
    def work(*given):
        bench.store.finish(only_job(bench), outcome(attempt=2, folder="attempt-2"))
        succeed(*given)

    job = bench.run(work)
    assert (bench.store.outcome(job).attempt, bench.files(job)) == (2, [])


def test_a_lost_job_that_is_done_first_all_the_same_has_its_outcome_and_leaves_the_entry(bench):
    bench.queue.renewed = False

    def work(*given):
        with pytest.raises(CancelledError):
            go_on_after(lambda: None)(*given)
        succeed(*given)

    job = bench.run(work)
    assert (bench.ending(job), bench.queue.held) == ("succeeded", [job])


# A worker that is told to stop


def test_a_job_may_finish_while_the_worker_stops(bench):
    def work(*given):
        bench.shared.stop()
        bench.clock.advance(bench.settings.drain_s - 1)
        succeed(*given)

    assert bench.ending(bench.run(work)) == "succeeded"


def stop_and_wait(bench):
    bench.shared.stop()
    bench.clock.advance(bench.settings.drain_s + 1)


@pytest.mark.parametrize("stop", [stop_and_wait, lambda bench: bench.shared.hurry()])
def test_a_job_that_does_not_finish_in_time_is_handed_back_uncounted(bench, stop):
    job = bench.run(go_on_after(lambda: stop(bench)))
    assert (bench.ending(job), bench.counted(job), bench.files(job)) == (None, 0, [])
    assert bench.queue.handed_back == [job]


def test_a_job_that_was_taken_while_the_worker_began_to_stop_is_handed_back_untouched(bench):
    bench.queue.when["take"] = bench.shared.stop
    job = bench.run(succeed)
    assert (bench.queue.handed_back, bench.store.attempts(job).begun) == ([job], 0)


def test_a_slot_runs_until_the_worker_stops(bench):
    jobs = [bench.submit(), bench.submit()]
    bench.queue.when["done"] = lambda: bench.queue.waiting or bench.shared.stop()
    bench.slot.run()
    assert bench.queue.ended == jobs


# A disk that is full


@pytest.mark.parametrize("error", [DISK_FULL, OSError(errno.EDQUOT, "Quota exceeded"), DiskLowError("It is full.")])
def test_a_job_that_finds_the_disk_full_waits_uncounted_and_leaves_no_files(bench, error):
    job = bench.run(fail_with(error))
    assert (bench.ending(job), bench.counted(job), bench.files(job)) == (None, 0, [])
    assert (bench.queue.handed_back, bench.pauses.waited) == ([job], [PAUSE_S])


def test_a_job_whose_results_found_room_and_its_outcome_did_not_waits_too(bench, monkeypatch):
    def refuse(*_):
        raise DISK_FULL

    with monkeypatch.context() as full:
        full.setattr(bench.store, "finish", refuse)
        job = bench.run(succeed)
    assert (bench.counted(job), bench.files(job), bench.queue.handed_back) == (0, [], [job])
    bench.slot.turn()
    assert bench.ending(job) == "succeeded"


def test_while_the_disk_is_full_no_job_is_taken(bench, monkeypatch):
    monkeypatch.setattr("app.system.disk.shutil.disk_usage", lambda _: namedtuple("Usage", "free")(-1))
    job = bench.run(succeed)
    assert (bench.queue.waiting, bench.pauses.waited) == ([job], [PAUSE_S])


# Redis that does not answer


@pytest.mark.parametrize("call", ["renew", "report", "done", "count"])
def test_without_redis_the_work_goes_on_and_its_outcome_is_on_disk(bench, call):
    bench.queue.when[call] = away
    assert bench.ending(bench.run(succeed)) == "succeeded"


def test_an_entry_that_could_not_be_taken_out_goes_at_its_next_turn(bench):
    bench.queue.when["done"] = away
    job = bench.run(succeed)
    assert bench.queue.held == [job]
    del bench.queue.when["done"]
    bench.work = fail_with(AssertionError("it was done twice"))
    bench.try_again()
    assert (bench.queue.ended, bench.counted(job)) == ([job], 1)


def test_without_redis_a_slot_waits_and_takes_the_job_when_it_is_back(bench):
    bench.queue.when["take"] = away
    job = bench.run(succeed)
    assert bench.pauses.waited == [1.0] and bench.ending(job) is None
    del bench.queue.when["take"]
    bench.slot.turn()
    assert bench.ending(job) == "succeeded"


def test_a_job_is_given_back_uncounted_also_where_redis_cannot_be_told(bench):
    bench.queue.when["hand_back"] = away
    job = bench.run(go_on_after(bench.shared.hurry))
    assert (bench.counted(job), bench.queue.held) == (0, [job])


# A model that fails


def test_a_model_that_fails_and_still_proves_right_costs_the_job_an_attempt(bench):
    job = bench.run(fail_with(InferenceFailedError("NaN.")))
    assert (bench.ending(job), bench.counted(job)) == (None, 1)


def test_a_model_that_no_longer_proves_right_ends_the_slot_and_the_job_is_handed_back_uncounted(bench):
    job, bench.work = bench.submit(), fail_with(InferenceFailedError("NaN."))
    bench.model.fault = InferenceFailedError("It computes other numbers than it should.")
    with pytest.raises(ModelBrokenError):
        bench.slot.run()
    assert (bench.counted(job), bench.queue.handed_back) == (0, [job])


# A job that may have killed its worker


def test_a_job_whose_last_attempt_ended_without_a_word_is_tried_alone(bench):
    alone = []

    def work(*given):
        alone.append(not bench.shared.in_hand.is_open)
        succeed(*given)

    bench.run(work)
    suspect = bench.submit()
    bench.store.begin_attempt(suspect, "a worker that died")
    bench.slot.turn()
    assert alone == [False, True] and bench.ending(suspect) == "succeeded"


def test_while_a_job_wants_to_be_alone_no_other_is_taken(bench):
    with bench.shared.in_hand.place(alone=True, waiting=lambda: None, every_s=1):
        job = bench.run(succeed)
    assert bench.queue.waiting == [job]


@pytest.fixture
def wait_beside_another(bench):
    """A suspect waits, while another job runs, until ``happens`` at its renewal; the suspect's id."""

    def wait(happens) -> str:
        suspect = bench.submit()
        bench.store.begin_attempt(suspect, "a worker that died")
        bench.work = fail_with(AssertionError("it was not alone"))
        bench.queue.when["renew"] = lambda: happens(suspect)
        with bench.shared.in_hand.place(alone=False, waiting=lambda: None, every_s=1):
            bench.slot.turn()
        assert bench.store.attempts(suspect).begun == 1 and bench.shared.in_hand.is_open
        return suspect

    return wait


def test_a_job_that_waits_to_be_alone_is_let_go_once_another_worker_has_it(bench, wait_beside_another):
    suspect = wait_beside_another(lambda _: setattr(bench.queue, "renewed", False))
    assert bench.queue.held == [suspect]


def test_a_job_that_waits_to_be_alone_is_let_go_while_redis_does_not_answer(bench, wait_beside_another):
    suspect = wait_beside_another(lambda _: away())
    assert bench.queue.held == [suspect]


def test_a_job_that_waits_to_be_alone_is_handed_back_when_the_worker_stops(bench, wait_beside_another):
    suspect = wait_beside_another(lambda _: bench.shared.stop())
    assert bench.queue.handed_back == [suspect]


def test_a_job_that_waits_to_be_alone_is_done_once_it_is_cancelled(bench, wait_beside_another):
    suspect = wait_beside_another(lambda job: bench.store.finish(job, outcome("cancelled")))
    assert bench.queue.ended == [suspect]


def test_a_job_that_was_erased_just_before_its_turn_to_be_alone_is_not_begun(bench):
    suspect = bench.submit()
    bench.store.begin_attempt(suspect, "a worker that died")
    other = ExitStack()
    other.enter_context(bench.shared.in_hand.place(alone=False, waiting=lambda: None, every_s=1))

    def erase_and_make_room():
        del bench.queue.when["renew"]
        bench.store.erase(suspect)
        other.close()

    bench.queue.when["renew"] = erase_and_make_room
    bench.slot.turn()
    assert [path.name for path in bench.store.folder(suspect).iterdir()] == ["tombstone.json"]
    assert bench.queue.ended == [suspect]


# A slot that hangs


def test_a_slot_that_has_not_turned_for_longer_than_a_job_may_take_is_stuck(bench):
    bench.slot.turn()
    bench.clock.advance(bench.settings.job_deadline_s + TURN_SLACK_S - 1)
    assert bench.slot.is_turning
    bench.clock.advance(2)
    assert not bench.slot.is_turning
    bench.slot.turn()
    assert bench.slot.is_turning

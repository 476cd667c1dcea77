"""When a slot lets a job go: another worker has it, the worker stops, the model fails, or the job wants to be alone."""

import errno
from contextlib import ExitStack

import pytest

from app.errors import (
    CancelledError,
    DecoderCrashedError,
    InferenceFailedError,
)
from app.jobs.worker.slot import ModelBrokenError
from tests.jobs.requests import outcome
from tests.jobs.worker.fakes import away, fail_with, go_on_after, only_job, succeed

CRASH = DecoderCrashedError("The decoder crashed.")
DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


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

"""A slot on a full disk, and without Redis."""

import errno
from collections import namedtuple

import pytest

from app.errors import (
    DecoderCrashedError,
    DiskLowError,
)
from app.jobs.worker.slot import PAUSE_S
from tests.jobs.worker.fakes import away, fail_with, go_on_after, succeed

CRASH = DecoderCrashedError("The decoder crashed.")
DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


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

"""Jobs beside each other: who must be alone, and what is given back when the process has to end."""

import json
import shutil
import threading

import pytest

from app.jobs.queue.queue import Lease
from app.jobs.worker.in_hand import Held, InHand
from tests.jobs.requests import committed
from tests.service import until


class Job(threading.Thread):
    """Takes a place, stays until ``over``. ``error`` is raised while it waits."""

    def __init__(self, in_hand, alone):
        super().__init__(daemon=True)
        self.in_hand, self.alone = in_hand, alone
        self.began, self.over = threading.Event(), threading.Event()
        self.waited, self.error = 0, None
        self.start()

    def run(self):
        try:
            with self.in_hand.place(alone=self.alone, waiting=self.wait_on, every_s=0.02):
                self.began.set()
                self.over.wait(10)
        except KeyError:
            pass

    def wait_on(self):
        self.waited += 1
        if self.error:
            raise self.error

    def looks_twice_more(self):
        before = self.waited
        until(lambda: self.waited >= before + 2)

    def end(self):
        self.over.set()
        self.join(10)


def test_a_job_tried_before_has_the_worker_to_itself(store):
    in_hand = InHand(store)
    first, second = Job(in_hand, alone=False), Job(in_hand, alone=False)
    assert first.began.wait(5) and second.began.wait(5) and in_hand.is_open
    suspect = Job(in_hand, alone=True)
    until(lambda: suspect.waited > 1)  # its lease is kept meanwhile
    assert not in_hand.is_open
    late, other = Job(in_hand, alone=False), Job(in_hand, alone=True)
    first.end()
    suspect.looks_twice_more()
    assert not suspect.began.is_set()
    second.end()
    assert suspect.began.wait(5)
    late.looks_twice_more()
    other.looks_twice_more()
    assert not late.began.is_set() and not other.began.is_set()
    suspect.end()
    until(lambda: late.began.is_set() or other.began.is_set())
    assert late.began.is_set() != other.began.is_set()
    for job in (late, other):
        job.end()
    assert in_hand.is_open


def test_one_that_gives_up_waiting_keeps_nobody_out(store):
    in_hand = InHand(store)
    first, suspect = Job(in_hand, alone=False), Job(in_hand, alone=True)
    until(lambda: not in_hand.is_open)
    suspect.error = KeyError("its lease is gone")
    suspect.join(5)
    assert in_hand.is_open and not suspect.began.is_set()
    beside = Job(in_hand, alone=False)
    assert beside.began.wait(5)
    for job in (first, beside):
        job.end()


@pytest.fixture
def held(store):
    """Three attempts that have begun."""
    found = []
    for number in range(3):
        job_id = committed(store).id
        found.append(Held(Lease(job_id, "stream", f"{number}-0"), "w", store.begin_attempt(job_id, "w")))
    return found


@pytest.mark.parametrize("is_over_before", [False, True])
def test_who_ends_the_process_gives_the_others_back_uncounted(store, held, is_over_before):
    in_hand = InHand(store)
    with in_hand.holding(held[0]), in_hand.holding(held[1]):
        with in_hand.holding(held[2]):
            if not is_over_before:
                in_hand.hand_back_all(besides=held[0])
        in_hand.hand_back_all(besides=held[0])
    counted = [store.attempts(one.lease.job_id).counted for one in held]
    assert counted == [1, 0, 1 if is_over_before else 0]


def lines_of(store, held) -> list[str]:
    lines = (store.folder(held.lease.job_id) / "attempts").read_text().splitlines()
    return [next(iter(json.loads(line))) for line in lines]


def test_an_attempt_is_handed_back_once_also_by_two_at_the_same_time(store, held, monkeypatch):
    """Its own slot does so while another job's keeper ends the process: on a slow disk the two meet."""
    in_hand, writing, go_on = InHand(store), threading.Event(), threading.Event()

    def slowly(job_id, number, write=store.hand_back):
        writing.set()
        assert go_on.wait(10)
        write(job_id, number)

    monkeypatch.setattr(store, "hand_back", slowly)
    with in_hand.holding(held[0]), in_hand.holding(held[1]):
        slot = threading.Thread(target=in_hand.hand_back, args=(held[1],))
        slot.start()
        assert writing.wait(10)
        keeper = threading.Thread(target=in_hand.hand_back_all, args=(held[0],))
        keeper.start()
        keeper.join(0.2)
        go_on.set()
        slot.join(10)
        keeper.join(10)
        in_hand.hand_back(held[1])
    assert [lines_of(store, one) for one in held] == [["attempt"], ["attempt", "handed_back"], ["attempt"]]


def test_an_attempt_that_failed_counts_whoever_ends_the_process(store, held):
    in_hand = InHand(store)
    with in_hand.holding(held[0]), in_hand.holding(held[1]), in_hand.holding(held[2]):
        in_hand.count_in(held[1])
        in_hand.hand_back_all(besides=held[0])
        in_hand.count_in(held[2])  # too late: it was handed back
    assert [store.attempts(one.lease.job_id).counted for one in held] == [1, 1, 0]


def test_one_folder_that_is_gone_keeps_no_other_from_being_handed_back(store, held):
    in_hand = InHand(store)
    with in_hand.holding(held[0]), in_hand.holding(held[1]), in_hand.holding(held[2]):
        shutil.rmtree(store.folder(held[1].lease.job_id))
        in_hand.hand_back_all(besides=held[0])
    assert store.attempts(held[2].lease.job_id).counted == 0

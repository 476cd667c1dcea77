"""Background work: the next turn comes whatever the last one raised."""

import threading

import pytest
from structlog.testing import capture_logs

from app.errors import QueueUnavailableError
from app.system.periodic import Periodic


@pytest.mark.parametrize("trouble", [QueueUnavailableError("away"), OSError(5, "Input/output error"), ValueError("x")])
def test_the_next_turn_comes_whatever_the_last_one_raised(trouble):
    turns, is_third = [], threading.Event()

    def turn() -> None:
        turns.append(len(turns))
        if len(turns) == 3:
            is_third.set()
        raise trouble

    task = Periodic("task", turn, every_s=0.01)
    with capture_logs() as logs:
        task.start()
        assert is_third.wait(30)
        task.stop()
    count = len(turns)
    assert {said["task"] for said in logs} == {"task"} and len(logs) == count


def test_it_ends_after_the_turn_in_progress():
    began, may_end, ended = threading.Event(), threading.Event(), []

    def turn() -> None:
        began.set()
        assert may_end.wait(30)
        ended.append(True)

    task = Periodic("task", turn, every_s=3600)
    task.start()
    assert began.wait(30)
    threading.Timer(0.05, may_end.set).start()
    task.stop(wait_s=30)
    assert ended == [True]


def test_the_first_turn_may_wait_and_a_task_that_was_not_started_stops():
    turns = []
    task = Periodic("task", lambda: turns.append(True), every_s=3600, first_s=3600)
    task.stop()
    task.start()
    task.stop()
    assert turns == []

"""Children that die, hang, or say that starting again would not help."""

import os
import sys
import time

import pytest

from app.errors import SetupError
from app.run import supervisor
from app.run.supervisor import Child
from tests.service import until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(supervisor, "LOOK_S", 0.05)
    monkeypatch.setattr(supervisor, "SILENT_MAX_S", 0.5)


def child(code: str, pulse=lambda _: None) -> Child:
    made = Child("child", [sys.executable, "-c", code], dict(os.environ), pulse)
    made.start()
    return made


def pid_of(made: Child) -> int:
    return made._process.pid


def watch(made: Child, seconds: float, *, is_proven: bool = False) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        made.look(lambda _: False, is_proven=is_proven)
        time.sleep(0.02)


def replaced(made: Child, first: int) -> bool:
    made.look(lambda _: False, is_proven=True)
    return pid_of(made) != first


def test_a_dead_child_is_started_again():
    made = child("import time; time.sleep(60)")
    first = pid_of(made)
    os.kill(first, 9)
    until(lambda: replaced(made, first))
    assert made._process.poll() is None
    made.end(grace_s=5)


def test_a_child_that_worked_and_fell_silent_is_killed():
    silent_from = time.monotonic() + 0.5
    made = child("import time; time.sleep(60)", lambda _: time.monotonic() < silent_from)
    first = pid_of(made)
    watch(made, 0.4)
    assert pid_of(made) == first
    until(lambda: replaced(made, first), 10)
    made.end(grace_s=5)


@pytest.mark.parametrize("beat", [None, False])
def test_a_child_that_never_beat_is_given_its_time_to_start(beat):
    made = child("import time; time.sleep(60)", lambda _: beat)
    first = pid_of(made)
    watch(made, 1.0)
    assert pid_of(made) == first
    made.end(grace_s=5)


def test_a_child_that_cannot_run_as_configured_ends_all_but_only_at_the_start():
    made = child("import sys; sys.exit(78)")
    with pytest.raises(SetupError):
        watch(made, 10)
    proven = child("import sys; sys.exit(78)")
    first = pid_of(proven)
    until(lambda: replaced(proven, first))
    proven.end(grace_s=5)


def test_a_child_that_ignores_the_end_is_killed():
    made = child("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x'); time.sleep(60)")
    time.sleep(0.5)
    made.end(grace_s=0.3)
    assert made._process.returncode == -9

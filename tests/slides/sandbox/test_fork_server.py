"""Readers forked from a process that has loaded everything, on real processes."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from app.slides.sandbox.fork_server import NURSERY, Forked, Nursery
from app.slides.sandbox.reader import SlideReader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere readers are not forked")


@pytest.fixture
def nursery():
    made = Nursery()
    yield made
    made.close()


def reader_of(nursery: Nursery, memory_bytes: int = 2**32) -> tuple[Forked, socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs, tempfile.TemporaryFile() as stderr:
        return nursery.fork(theirs.fileno(), stderr.fileno(), memory_bytes, 60), ours


def open_files(pid: int) -> set[str]:
    """What a process has open, but for pipes and /dev/null."""
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(path.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    return {name for name in found if name != "/dev/null" and not name.startswith("pipe:")}


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_reader_is_a_child_of_who_asked_and_its_end_is_seen(nursery):
    first, line = reader_of(nursery)
    assert parent_of(first.pid) == os.getpid()
    assert first.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(0.01)
    line.close()
    assert first.wait(5) == first.poll() == 0
    second, line = reader_of(nursery)
    second.kill()
    assert second.wait(5) == -signal.SIGKILL
    second.kill()
    line.close()
    with pytest.raises(ChildProcessError):  # nothing is left to be waited for
        os.waitpid(second.pid, 0)


def test_readers_share_what_is_loaded_and_nothing_that_is_open(nursery):
    (first, one), (second, other) = reader_of(nursery), reader_of(nursery)
    deadline = time.monotonic() + 30
    while shared := open_files(first.pid) & open_files(second.pid):  # a child lets go of the nursery's as it begins
        assert time.monotonic() < deadline, shared
        time.sleep(0.01)
    for reader, line in ((first, one), (second, other)):
        line.close()
        assert reader.wait(5) == 0


def test_a_nursery_that_was_killed_is_started_again_and_its_readers_live(nursery):
    before, line = reader_of(nursery)
    os.kill(parent_process(nursery), signal.SIGKILL)
    after, other = reader_of(nursery)
    assert before.poll() is None and after.poll() is None
    for one in (line, other):
        one.close()
    after.wait(5)


def parent_process(nursery: Nursery) -> int:
    assert nursery._process is not None
    return nursery._process.pid


def test_closing_it_ends_its_readers(nursery):
    reader, line = reader_of(nursery)
    nursery.close()
    assert reader.wait(5) == 0
    line.close()


def test_no_process_is_left_behind_by_many_readers():
    with SlideReader():
        pass
    known = children()
    for _ in range(5):
        with SlideReader():
            pass
    assert children() == known
    assert NURSERY._process is not None and NURSERY._process.pid in known


def children() -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if parent_of(int(process.name)) == os.getpid():
                found.add(int(process.name))
        except OSError:  # ended meanwhile
            continue
    return found

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

from app.slides.sandbox.fork_server import FORK_SERVER, Forked, ForkServer
from app.slides.sandbox.reader import SlideReader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere readers are not forked")


@pytest.fixture
def forks():
    made = ForkServer()
    yield made
    made.close()


def reader_of(forks: ForkServer, memory_bytes: int = 2**32) -> tuple[Forked, socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs, tempfile.TemporaryFile() as stderr:
        return forks.fork(theirs.fileno(), stderr.fileno(), memory_bytes, 60), ours


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


def test_a_reader_is_a_child_of_who_asked_and_its_end_is_seen(forks):
    first, line = reader_of(forks)
    assert parent_of(first.pid) == os.getpid()
    assert first.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(0.01)
    line.close()
    assert first.wait(5) == first.poll() == 0
    second, line = reader_of(forks)
    second.kill()
    assert second.wait(5) == -signal.SIGKILL
    second.kill()
    line.close()
    with pytest.raises(ChildProcessError):  # nothing is left to be waited for
        os.waitpid(second.pid, 0)


def test_readers_share_what_is_loaded_and_nothing_that_is_open(forks):
    (first, one), (second, other) = reader_of(forks), reader_of(forks)
    deadline = time.monotonic() + 30
    while shared := open_files(first.pid) & open_files(second.pid):  # a child lets go of the fork server's as it begins
        assert time.monotonic() < deadline, shared
        time.sleep(0.01)
    for reader, line in ((first, one), (second, other)):
        line.close()
        assert reader.wait(5) == 0


def test_a_fork_server_that_was_killed_is_started_again_and_its_readers_live(forks):
    before, line = reader_of(forks)
    os.kill(parent_process(forks), signal.SIGKILL)
    after, other = reader_of(forks)
    assert before.poll() is None and after.poll() is None
    for one in (line, other):
        one.close()
    after.wait(5)


def parent_process(forks: ForkServer) -> int:
    assert forks._process is not None
    return forks._process.pid


def test_closing_it_ends_its_readers(forks):
    reader, line = reader_of(forks)
    forks.close()
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
    assert FORK_SERVER._process is not None and FORK_SERVER._process.pid in known


def children() -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if parent_of(int(process.name)) == os.getpid():
                found.add(int(process.name))
        except OSError:  # ended meanwhile
            continue
    return found

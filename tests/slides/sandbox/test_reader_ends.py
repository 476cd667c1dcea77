"""Reader processes that die, hang, or outlive their parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.errors import DecoderCrashedError, DecoderTimeoutError, InternalError, SlideTooCostlyError
from app.slides.sandbox import reader_process
from app.slides.sandbox.reader import ReaderLimits, SlideReader
from app.slides.types import ReadingPlan
from tests.slides.processes import gone, pid_of

PLAN = ReadingPlan()
HASTY = ReaderLimits(open_timeout_s=0.6, survey_timeout_s=0.6, batch_timeout_s=0.6)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_in_mid_stream(slide, number):
    with SlideReader() as reader:
        reader.open(slide)
        reader.survey(PLAN)
        stream = reader.tiles(batch_tiles=1)
        next(stream)
        os.kill(pid_of(reader), number)
        with pytest.raises(DecoderCrashedError, match=number.name):
            list(stream)
        assert not reader.alive
        with pytest.raises(DecoderCrashedError):
            reader.open(slide)


@pytest.mark.parametrize("during", ["open", "tiles"])
def test_a_process_that_hangs_is_ended_in_time(slide, during):
    with SlideReader(ReaderLimits() if during == "tiles" else HASTY) as reader:
        if during == "tiles":
            reader.open(slide)
            reader.survey(PLAN)
            reader._limits = HASTY
            stream = reader.tiles(batch_tiles=1)
            next(stream)
        os.kill(pid_of(reader), signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(DecoderTimeoutError, match=r"0\.6 s"):
            list(stream) if during == "tiles" else reader.open(slide)
        assert time.monotonic() - start < 3
        assert not reader.alive and gone(pid_of(reader))


@pytest.mark.parametrize(("computed_s", "error"), [(0.2, DecoderTimeoutError), (0.4, SlideTooCostlyError)])
def test_a_decoder_that_computed_most_of_its_time_is_not_tried_again(slide, monkeypatch, computed_s, error):
    times_s = iter([7.0, 7.0 + computed_s])
    with SlideReader(HASTY) as reader:
        os.kill(pid_of(reader), signal.SIGSTOP)
        monkeypatch.setattr(reader._process, "computed_s", lambda: next(times_s))
        with pytest.raises(error) as caught:
            reader.open(slide)
    assert caught.value.retryable == (error is DecoderTimeoutError)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it")
def test_the_time_that_a_decoder_computes_is_told(slide):
    with SlideReader() as reader:
        reader.open(slide)
        before_s, began_s = reader._process.computed_s(), time.monotonic()
        while reader._process.computed_s() < before_s + 0.1:
            reader.survey(PLAN)
            assert time.monotonic() - began_s < 60
        assert reader._process.computed_s() - before_s <= time.monotonic() - began_s + 0.05


def test_close_from_another_thread_ends_a_read_that_hangs(slide):
    reader = SlideReader()
    os.kill(pid_of(reader), signal.SIGSTOP)
    errors = []

    def read():
        try:
            reader.open(slide)
        except DecoderCrashedError as error:
            errors.append(error.message)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.2)
    reader.close()
    reader.close()
    thread.join(timeout=3)
    assert not thread.is_alive() and errors == ["Reading was interrupted."]
    assert gone(pid_of(reader))


def test_a_process_that_cannot_start_is_our_error_not_the_slides(slide):
    with SlideReader(ReaderLimits(memory_bytes=60 * 2**20)) as reader, pytest.raises(InternalError):
        reader.open(slide)


def test_a_process_that_cannot_end_yet_holds_nobody_up_and_is_reaped_later(monkeypatch):
    """Stopped and with its killing put off, as one that waits for a dead share inside the kernel."""
    monkeypatch.setattr(reader_process, "_EXIT_WAIT_S", 0.2)
    reader = SlideReader()
    child = reader._process._child
    os.kill(child.pid, signal.SIGSTOP)
    monkeypatch.setattr(child, "kill", lambda: None)
    start = time.monotonic()
    with capture_logs() as logs:
        reader.close()
        reader.close()
    assert time.monotonic() - start < 2
    assert [(event["event"], event["pid"]) for event in logs] == [("reader.not_ended", child.pid)]
    os.kill(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child.pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{child.pid}").exists()


def test_an_answer_that_makes_no_sense_ends_the_process(slide, monkeypatch):
    with SlideReader() as reader:
        reader.open(slide)
        monkeypatch.setattr(reader._process, "receive", lambda _: {"op": "survey", "tiles": 10**9})
        with pytest.raises(DecoderCrashedError, match="invalid answer"):
            reader.survey(PLAN)
        assert not reader.alive


PARENT = """
import sys, time
from pathlib import Path
from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan
reader = SlideReader()
reader.open(Path(sys.argv[1]))
reader.survey(ReadingPlan())
stream = reader.tiles(batch_tiles=1)
next(stream)
print(reader._process.pid, flush=True)
time.sleep(60)
"""


def test_when_the_parent_is_killed_nothing_is_left(slide, tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(slide)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child, within_s=0.1)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(child)
    assert list(tmp_path.iterdir()) == []
    assert not [path for path in Path("/dev/shm").iterdir() if "xmag" in path.name]

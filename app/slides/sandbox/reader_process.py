"""A child process and the means to talk to it, to end it, and to say how it ended."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.errors import InternalError
from app.slides.sandbox.channel import Channel, Message
from app.slides.sandbox.fork_server import FORK_SERVER, Forked, environment

log = structlog.stdlib.get_logger("xmag.slides")
_FORKS: bool = sys.platform == "linux"
_EXIT_WAIT_S = 5.0
_STDERR_BYTES = 2000
_UTIME = 11
"""Index of utime in /proc/PID/stat after the process name; stime follows (proc(5))."""


@dataclass(frozen=True)
class LastWords:
    """How a process ended: ``cause`` in words, and the end of what it wrote on standard error.

    ``by_itself``: it left with an exit status of its own (an error of ours), instead of being killed by a signal.
    ``out_of_time``: it used up its processor time.
    """

    cause: str
    stderr: str
    by_itself: bool = False
    out_of_time: bool = False

    def __str__(self) -> str:
        return f"{self.cause}; standard error: {self.stderr.strip() or 'empty'}"


class ReaderProcess:
    """A process that runs ``app.slides.sandbox.reader_main``. InternalError when it cannot be started."""

    def __init__(self, memory_bytes: int, cpu_s: int) -> None:
        self._talking = threading.Lock()
        self._given_up = False
        try:
            self._start(memory_bytes, cpu_s)
        except OSError as error:
            raise InternalError(f"The process that decodes slides cannot be started: {error.strerror}.") from error

    def _start(self, memory_bytes: int, cpu_s: int) -> None:
        with ExitStack() as undo:
            self._stderr = undo.enter_context(tempfile.TemporaryFile())
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            self._channel = Channel(ours)
            with theirs:
                self._child = _start(theirs.fileno(), self._stderr.fileno(), memory_bytes, cpu_s)
            undo.pop_all()  # all of it lives as long as the process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def computed_s(self) -> float:
        """Processor seconds used so far; 0 if the system does not report them (Linux does)."""
        try:
            fields = (
                Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            )
        except OSError:
            return 0.0
        return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / os.sysconf("SC_CLK_TCK")

    def send(self, message: Message, *fds: int) -> None:
        """Raises ChannelClosedError."""
        with self._talking:
            self._channel.send(message, *fds)

    def receive(self, timeout_s: float) -> Message:
        """Raises ChannelClosedError, ChannelTimeoutError, ChannelGarbledError."""
        with self._talking:
            return self._channel.receive(timeout_s)

    def last_words(self) -> LastWords:
        """How it ended; waits a little for it, then ends it."""
        try:
            code = self._child.wait(_EXIT_WAIT_S)
        except subprocess.TimeoutExpired:
            return LastWords("it closed its line and did not stop", self._said())
        if code >= 0:
            return LastWords(f"it stopped by itself with exit status {code}, see the log", self._said(), by_itself=True)
        return LastWords(f"killed by {_signal_name(-code)}", self._said(), out_of_time=-code == signal.SIGXCPU)

    def kill(self) -> None:
        """End it now, even when another thread waits for it, and give everything back. May be called twice.

        Returns within 5 s also when the process cannot end yet.
        """
        if self._given_up:
            return
        self._child.kill()
        self._channel.shut_down()
        try:
            self._child.wait(_EXIT_WAIT_S)
        except subprocess.TimeoutExpired:
            # Killed, but waiting for a disk inside the kernel; it goes, and is reaped, when that answers.
            self._given_up = True
            log.warning("reader.not_ended", pid=self.pid, waited_s=_EXIT_WAIT_S)
            threading.Thread(target=self._child.wait, name="reap", daemon=True).start()
        with self._talking:
            self._channel.close()
            self._stderr.close()
            if self._child.stdin is not None:
                self._child.stdin.close()

    def _said(self) -> str:
        with self._talking:
            if self._stderr.closed:
                return ""
            size = os.fstat(self._stderr.fileno()).st_size
            data = os.pread(self._stderr.fileno(), _STDERR_BYTES, max(0, size - _STDERR_BYTES))
        return data.decode("utf-8", "replace")


def prepare_readers() -> None:
    """Load what readers need, without waiting for it. InternalError when no process can be started."""
    try:
        if _FORKS:
            FORK_SERVER.begin()
    except OSError as error:
        raise InternalError(f"The process that forks readers cannot be started: {error.strerror}.") from error


def _start(line: int, stderr: int, memory_bytes: int, cpu_s: int) -> Forked | subprocess.Popen[bytes]:
    if _FORKS:
        return FORK_SERVER.fork(line, stderr, memory_bytes, cpu_s)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app.slides.sandbox.reader_main", str(line), str(memory_bytes), str(cpu_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=(line,),
        env=environment(),
        process_group=0,  # a Ctrl-C is not for it
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

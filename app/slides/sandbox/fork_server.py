"""Reader processes, forked from one that has loaded everything and never met a slide.

Loading takes a fifth of a second of processor time, a fork takes milliseconds. A reader is this process's own child, so
that its end is seen here. The fork server forks twice, and its orphan becomes a child of the nearest subreaper,
prctl(2).
"""

import atexit
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from app.slides.sandbox.channel import Channel, ChannelClosedError, ChannelGarbledError, ChannelTimeoutError

_PACKAGE_ROOT = Path(__file__).resolve().parents[3]
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
"""All that readers see of the environment: keys and passwords stay here."""
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(512 * 2**20)}
"""Settings of glibc, which keeps freed memory. By default it returns half a megabyte and requests it again with every
tile, until something larger was freed once. On a small slide that took a third of reading. A reader's memory has its
own limit."""
_PR_SET_CHILD_SUBREAPER = 36
_ANSWER_S = 60.0
_LOOK_S = 0.002


class Forked:
    """A child that another process forked for this one; the part of subprocess.Popen that a reader needs."""

    stdin = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._lock = threading.Lock()
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        with self._lock:
            if self._code is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                self._code = os.waitstatus_to_exitcode(status) if ended else None
            return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. subprocess.TimeoutExpired after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if timeout is not None and deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("reader", timeout)
            time.sleep(_LOOK_S)
        return code

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class ForkServer:
    """The process that readers are forked from: one, started when it is first needed, and again if it dies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._lifeline: tuple[int, int] | None = None  # a pipe: readers live as long as its end here is open

    def begin(self) -> None:
        """Start it without waiting for it. OSError when that cannot be."""
        with self._lock:
            self._running()

    def fork(self, line: int, stderr: int, memory_bytes: int, cpu_s: int) -> Forked:
        """A reader that answers on ``line`` and complains on ``stderr`` (descriptors). OSError when there is none."""
        with self._lock:
            try:
                return self._fork(self._running(), (line, stderr), memory_bytes, cpu_s)
            except (ChannelClosedError, ChannelGarbledError, ChannelTimeoutError):
                self._end()  # it died, by the kernel's hand for want of memory say: the next one may do better
            try:
                return self._fork(self._running(), (line, stderr), memory_bytes, cpu_s)
            except (ChannelClosedError, ChannelGarbledError, ChannelTimeoutError) as error:
                self._end()
                raise OSError(0, "the process that forks it died") from error

    def close(self) -> None:
        """End it, and the readers with it."""
        with self._lock:
            self._end()
            for fd in self._lifeline or ():
                os.close(fd)
            self._lifeline = None

    def _running(self) -> Channel:
        if self._channel is None:
            self._lifeline = self._lifeline or os.pipe()
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    self._process = subprocess.Popen(
                        [sys.executable, "-P", "-m", "app.slides.sandbox.fork_server_main", str(theirs.fileno())],
                        stdin=self._lifeline[0],
                        stdout=subprocess.DEVNULL,
                        pass_fds=(theirs.fileno(),),
                        env=environment(),
                        process_group=0,
                    )
                except BaseException:
                    ours.close()
                    raise
            self._channel = Channel(ours)
        return self._channel

    @staticmethod
    def _fork(channel: Channel, fds: tuple[int, ...], memory_bytes: int, cpu_s: int) -> Forked:
        _inherit_orphans(True)  # only now: no other process's orphans are wanted
        try:
            channel.send({"memory_bytes": memory_bytes, "cpu_s": cpu_s}, *fds)
            answer = channel.receive(_ANSWER_S)
        finally:
            _inherit_orphans(False)
        pid = answer.get("pid")
        if not isinstance(pid, int):
            raise OSError(answer.get("errno", 0), answer.get("reason", "no reason given"))
        return Forked(pid)

    def _end(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._channel = None


def environment() -> dict[str, str]:
    """What a reader sees of the environment."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {**kept, **_MALLOC, **threads, "PYTHONPATH": str(_PACKAGE_ROOT)}


def _inherit_orphans(on: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(on), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel lets this process inherit no reader")


FORK_SERVER = ForkServer()
atexit.register(FORK_SERVER.close)

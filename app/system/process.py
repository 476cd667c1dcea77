"""What a process asks of the kernel for itself."""

import ctypes
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
BEHIND_READERS = 15
"""Niceness of threads that compute on the cores of the reader processes, which are 10 nice. A reader that waits for a
core stalls every thread that computes its tiles."""
_AUTOGROUP = Path("/proc/self/autogroup")


def end_with_parent() -> None:
    """In a new child: get SIGTERM when the parent dies, however it dies (Linux; elsewhere nothing).

    Linux means the parent's thread: only a main thread may start such a child.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def go_by_name(name: str) -> None:
    """Be called so in a list of processes (Linux: its first 15 characters; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def let_thread_give_way(niceness: int) -> None:
    """Let others, of this process too, compute before the calling thread: make it at least so nice (19 is the most).

    A hint: nothing happens elsewhere than on Linux, or where the kernel refuses.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(niceness, os.getpriority(os.PRIO_PROCESS, thread)))


def give_way(niceness: int) -> bool:
    """Let other processes compute first, by ``niceness`` more than so far (19 is the most); children inherit it.

    Where Linux groups processes by session (sched_autogroup), niceness only counts within a session. A session's leader
    therefore sets it for the session as well. False if the kernel did not let it.
    """
    mine = os.nice(niceness)
    if not _AUTOGROUP.exists() or os.getsid(0) != os.getpid():
        return True
    try:
        _AUTOGROUP.write_text(str(mine))
    except OSError:  # a read-only /proc, or the kernel's limit of ten changes a second
        return False
    return True


def end_now(code: int) -> NoReturn:
    """End the process without destructors and exit handlers. What was logged and printed is written first."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)

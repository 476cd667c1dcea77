"""What a child process does before it becomes somebody else."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """In a new child: get SIGTERM when the parent dies, however it dies (Linux; elsewhere nothing).

    Linux means the parent's thread: only a main thread may start such a child.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

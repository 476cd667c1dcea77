"""Shuts the calling process in, as far as the kernel can (Landlock, Linux 5.13 or newer): it makes, changes and runs no
file, and cannot look into a process outside: neither its memory nor its environment, where keys and passwords are.

Reading stays: slides lie wherever the hospital keeps them. What is open already stays too. It cannot be taken off
again, and threads and children inherit it. Sources: landlock(7), landlock_create_ruleset(2).
"""

import ctypes
import os
import sys

_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
"""The same on every architecture."""
_ASK_VERSION = 1
_EXECUTE, _WRITE, _TRUNCATE = 1 << 0, 1 << 1, 1 << 14
_REMOVE_AND_MAKE = 0b1_1111_1111_0000
"""Folders and files removed; devices, folders, files, sockets, pipes and links made."""
_SIGNALS = 1 << 1
_TRUNCATES_SINCE, _SIGNALS_SINCE = 3, 6


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr: what is refused wherever no rule allows it; there are no rules."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def shut_in() -> bool:
    """From now on no file is made, changed or run, and no other process seen into or (Linux 6.12) signalled.

    False where the kernel cannot. Before any thread.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    if version < 1:
        return False
    refused = _EXECUTE | _WRITE | _REMOVE_AND_MAKE | (_TRUNCATE if version >= _TRUNCATES_SINCE else 0)
    rules = _Ruleset(refused, 0, _SIGNALS if version >= _SIGNALS_SINCE else 0)
    size = ctypes.sizeof(rules) if version >= _SIGNALS_SINCE else ctypes.sizeof(ctypes.c_uint64)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        nothing_gained = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        return nothing_gained and bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)

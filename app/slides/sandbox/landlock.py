"""Limits the calling process's access to files, as far as the kernel can (Landlock, Linux 5.13 or newer).

Open files stay open. Rules cannot be removed, and later threads inherit them. Sources:
landlock(7), landlock_create_ruleset(2), landlock_add_rule(2).
"""

import ctypes
import os
import sys
from collections.abc import Iterable

_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same on every architecture."""
_ASK_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE, READ_FILE, READ_FOLDER, _TRUNCATE, _DEVICE_CONTROL = (1 << bit for bit in (0, 1, 2, 3, 14, 15))
_REMOVE_AND_MAKE = 0b1_1111_1111_0000
"""Folders and files removed; devices, folders, files, sockets, pipes and links made."""
_SIGNALS = 1 << 1
_TRUNCATES_SINCE, _DEVICES_SINCE, _SIGNALS_SINCE = 3, 5, 6


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr: what is refused wherever no rule allows it."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    """struct landlock_path_beneath_attr: what is allowed to a file, or to all below a folder."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("fd", ctypes.c_int32))


def has_landlock() -> bool:
    """Whether the kernel can limit reading."""
    return _version() >= 1


def shut_in() -> bool:
    """Forbids making, changing and running files, inspecting other processes and (Linux 6.12) signalling them.

    False where the kernel cannot. Before any thread.
    """
    version = _version()
    changing = _EXECUTE | _WRITE | _REMOVE_AND_MAKE
    changing |= _TRUNCATE if version >= _TRUNCATES_SINCE else 0
    changing |= _DEVICE_CONTROL if version >= _DEVICES_SINCE else 0
    return _restrict(version, changing, _SIGNALS if version >= _SIGNALS_SINCE else 0, ())


def read_only(allowed: Iterable[tuple[int, int]]) -> bool:
    """Limits reading to these: (descriptor, READ_FILE | READ_FOLDER); a folder includes everything below it.

    A descriptor may be closed afterwards. False where the kernel cannot. Before any thread.
    """
    return _restrict(_version(), READ_FILE | READ_FOLDER, 0, allowed)


def _version() -> int:
    """Landlock's version; less than 1 without Landlock."""
    if sys.platform != "linux":
        return 0
    return int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION))


def _restrict(version: int, refused: int, scoped: int, allowed: Iterable[tuple[int, int]]) -> bool:
    if version < 1:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    rules = _Ruleset(refused, 0, scoped)
    size = ctypes.sizeof(rules) if version >= _SIGNALS_SINCE else ctypes.sizeof(ctypes.c_uint64)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        for fd, access in allowed:
            rule = _PathBeneath(access, fd)
            if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0) != 0:
                raise OSError(ctypes.get_errno(), "the kernel takes no rule for a file that must be read")
        nothing_gained = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        return nothing_gained and bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)

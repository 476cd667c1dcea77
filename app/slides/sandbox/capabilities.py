"""Drops all capabilities, so that a decoding process of root has only the rights that file permissions give root.

Sources: capabilities(7), capset(2), prctl(2), linux/capability.h.
"""

import ctypes
import sys

_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
_VERSION_3 = 0x20080522
_CAPABILITIES = 64


class _Header(ctypes.Structure):
    """struct __user_cap_header_struct; process 0 is the calling one."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    """Two times struct __user_cap_data_struct: effective, permitted and inheritable, 32 capabilities each."""

    _fields_ = (("words", ctypes.c_uint32 * 6),)


def give_up_capabilities() -> bool:
    """Drops all capabilities for good. False if the platform has no capabilities (not Linux)."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_CAPABILITIES):  # of an ordinary user refused, who has none to lose
        libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    libc.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    return bool(libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref(_Sets())) == 0)

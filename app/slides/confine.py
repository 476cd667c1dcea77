"""Takes the network away from the calling process: a decoder that a hostile slide took over must not tell anybody.

A seccomp filter (Linux on x86-64 and ARM) refuses to make sockets, and the ways around that: io_uring, other processes'
memory and descriptors. What is open already (the line to the parent) stays. It cannot be taken off again, and threads
and children inherit it. Sources: seccomp(2), prctl(2), linux/filter.h and linux/audit.h.
"""

import ctypes
import errno
import platform
import sys
from dataclasses import dataclass

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_X32 = 0x40000000
"""x86-64 kernels take system calls of the x32 kind too: the same ones under other numbers."""


@dataclass(frozen=True)
class _Machine:
    """How the kernel names an architecture, and the numbers of the calls that are refused on it."""

    audit: int
    refused: dict[str, int]


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        {"socket": 41, "ptrace": 101, "readv": 310, "writev": 311, "io_uring_setup": 425, "pidfd_getfd": 438},
    ),
    "aarch64": _Machine(
        0xC00000B7,
        {"socket": 198, "ptrace": 117, "readv": 270, "writev": 271, "io_uring_setup": 425, "pidfd_getfd": 438},
    ),
}


class _Instruction(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def give_up_network() -> bool:
    """From now on no socket can be made (EACCES). False where the platform has no such filter. Before any thread."""
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    instructions = _instructions(machine)
    program = _Program(len(instructions), (_Instruction * len(instructions))(*instructions))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, None, 0, 0) != 0:
        return False
    return bool(prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _instructions(machine: _Machine) -> list[_Instruction]:
    """The filter; a jump's numbers say how many instructions to leave out."""
    calls = list(machine.refused.values())
    checks = [_Instruction(_EQUAL, len(calls) - at, 0, number) for at, number in enumerate(calls)]
    return [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE_AT),
        _Instruction(_EQUAL, 0, len(calls) + 3, machine.audit),
        _Instruction(_LOAD, 0, 0, _NUMBER_AT),
        _Instruction(_AT_LEAST, len(calls) + 1, 0, _X32),
        *checks,
        _Instruction(_RETURN, 0, 0, _ALLOW),
        _Instruction(_RETURN, 0, 0, _REFUSE),
    ]

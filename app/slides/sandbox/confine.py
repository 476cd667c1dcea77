"""A seccomp filter (Linux on x86-64 and ARM) for a process whose decoder a hostile slide may take over.

The process makes no socket and no process, acts on no other process, and changes no mode, owner, time or attribute of a
file. Once its own threads run, it makes no more of them. What is open already (the line to the parent) stays. Filters
cannot be taken off again, and threads inherit them.
Sources: seccomp(2), prctl(2), clone(2), linux/filter.h and linux/audit.h.
"""

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Callable, Iterable

from app.slides.sandbox.system_calls import BY_ARGUMENT, REFUSED

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _FOR_ALL_THREADS = 1, 1
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT, _ARGUMENT_BYTES = 0, 4, 16, 8
"""Of struct seccomp_data. Both architectures are little-endian: an argument's lower half comes first."""
_ALLOW, _REFUSE, _MISSING = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS
_X32 = 0x40000000
"""x86-64 kernels take system calls of the x32 kind too: the same ones under other numbers."""
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE_THREAD = 0x10000
_F_SETOWN, _F_SETOWN_EX = 8, 15
_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902
"""Commands that name a process for the kernel to send a signal to."""
_F_SETLEASE = 1024
"""Whoever opens the file afterwards waits until the lease is given up, 45 s at most (fcntl(2))."""
_FS_IOC_SETFLAGS, _FS_IOC_FSSETXATTR = 0x40086602, 0x401C5820
"""A file's attributes, set through a descriptor for reading (FS_IOC_SETFLAGS(2const), linux/fs.h)."""


class _Instruction(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def give_up_calls() -> bool:
    """Makes these calls fail (EACCES) from now on. Call before any thread starts. False without filter support."""
    return _install(_instructions)


def give_up_threads() -> bool:
    """Forbids new threads; call ``give_up_calls`` first. False without filter support."""
    return _install(lambda machine: [_load_number(), *_answer(_number(machine, "clone"), _REFUSE), _allow()])


def _install(instructions_for: Callable[[str], list[_Instruction]]) -> bool:
    """Add a filter to all threads of the process."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _AUDIT:
        return False
    instructions = instructions_for(machine)
    program = _Program(len(instructions), (_Instruction * len(instructions))(*instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _FOR_ALL_THREADS, ctypes.byref(program)) == 0)


def _number(machine: str, name: str) -> int:
    return BY_ARGUMENT[name][list(_AUDIT).index(machine)]


def _load_number() -> _Instruction:
    return _Instruction(_LOAD, 0, 0, _NUMBER_AT)


def _allow() -> _Instruction:
    return _Instruction(_RETURN, 0, 0, _ALLOW)


def _instructions(machine: str) -> list[_Instruction]:
    """The filter; a jump's numbers say how many instructions to leave out."""
    column = list(_AUDIT).index(machine)
    number = {name: numbers[column] for name, numbers in BY_ARGUMENT.items()}
    refused = [numbers[column] for numbers in REFUSED.values()]
    return [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE_AT),
        _Instruction(_EQUAL, 1, 0, _AUDIT[machine]),
        _Instruction(_RETURN, 0, 0, _REFUSE),
        _load_number(),
        _Instruction(_AT_LEAST, 0, 1, _X32),
        _Instruction(_RETURN, 0, 0, _REFUSE),
        *(instruction for call in refused if call is not None for instruction in _answer(call, _REFUSE)),
        *_answer(number["clone3"], _MISSING),  # its flags lie in memory: C libraries then take clone
        *_only_with(number["clone"], 0, _ANY_BIT, _CLONE_THREAD),
        *_only_with(number["kill"], 0, _EQUAL, os.getpid()),  # as abort() does
        *_only_with(number["tgkill"], 0, _EQUAL, os.getpid()),
        *_only_with(number["prlimit64"], 0, _EQUAL, 0),
        *_never_with(number["fcntl"], 1, (_F_SETOWN, _F_SETOWN_EX, _F_SETLEASE)),
        *_never_with(number["ioctl"], 1, (_FIOSETOWN, _SIOCSPGRP, _FS_IOC_SETFLAGS, _FS_IOC_FSSETXATTR)),
        _allow(),
    ]


def _answer(call: int, answer: int) -> list[_Instruction]:
    return [_Instruction(_EQUAL, 0, 1, call), _Instruction(_RETURN, 0, 0, answer)]


def _only_with(call: int, argument: int, test: int, value: int) -> list[_Instruction]:
    return _block(call, argument, [_Instruction(test, 1, 0, value), _Instruction(_RETURN, 0, 0, _REFUSE)])


def _never_with(call: int, argument: int, values: Iterable[int]) -> list[_Instruction]:
    return _block(call, argument, [step for value in values for step in _answer(value, _REFUSE)])


def _block(call: int, argument: int, tests: list[_Instruction]) -> list[_Instruction]:
    load = _Instruction(_LOAD, 0, 0, _ARGUMENTS_AT + argument * _ARGUMENT_BYTES)
    steps = [load, *tests, _allow()]
    return [_Instruction(_EQUAL, 0, len(steps), call), *steps]

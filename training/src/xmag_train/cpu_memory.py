"""Large arrays from memory that the process keeps.

glibc hands arrays above a threshold back to the system when they are freed, so that every training step pays for the
same pages anew: a third of a step on a CPU.
"""

import ctypes
import platform

_M_TRIM_THRESHOLD = -1  # names and values of malloc.h (mallopt(3))
_M_MMAP_MAX = -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """For the rest of the process. Does nothing where the C library is not glibc. OSError if glibc refuses."""
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER)):
        if mallopt(option, value) != 1:
            raise OSError(f"mallopt({option}, {value}) was refused")

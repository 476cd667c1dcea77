"""The machine that a run is on: its device, and memory that the process keeps."""

import ctypes
import platform

import torch

_M_TRIM_THRESHOLD = -1  # names and values of malloc.h (mallopt(3))
_M_MMAP_MAX = -4
_NEVER = 2**31 - 1


def torch_device(word: str) -> str:
    """torch's name of the device that a config names; ``auto``: cuda where there is one, else cpu."""
    if word != "auto":
        return word
    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_in_full_precision() -> None:
    """For the rest of the process: fp32 on a GPU is fp32, so that features equal those of a CPU.

    By default torch lets cuDNN round the inputs of convolutions to TF32, which has 10 bits of mantissa.
    """
    torch.backends.cudnn.allow_tf32 = False


def keep_freed_memory() -> None:
    """For the rest of the process. Does nothing where the C library is not glibc. OSError if glibc refuses.

    glibc returns freed arrays above a threshold to the system. Every training step then pays for the same pages again:
    a third of a step on a CPU.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER)):
        if mallopt(option, value) != 1:
            raise OSError(f"mallopt({option}, {value}) was refused")

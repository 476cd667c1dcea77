"""Memory that parent and reader process share: it has no name, so nothing can be left behind."""

import fcntl
import mmap
import os
import tempfile
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """One array in the memory: where it starts, in bytes, its shape and its type."""

    offset: int
    shape: tuple[int, ...]
    dtype: type[np.generic]

    @property
    def end(self) -> int:
        """The first byte after it, rounded up to 64."""
        size = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize
        return (self.offset + size + 63) // 64 * 64


class SharedMemory:
    """An anonymous block, handed on by its descriptor. It lives as long as arrays from it or an open descriptor do."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        self._map = mmap.mmap(fd, size)

    @classmethod
    def create(cls, size: int) -> Self:
        """A new block of ``size`` bytes, all zero.

        On Linux its size is sealed: were the other side to shrink it, touching it here would kill this process.
        Elsewhere it is an unlinked temporary file.
        """
        fd = _sealed_memory(size) if hasattr(os, "memfd_create") else _unlinked_file(size)
        try:
            return cls(fd, size)
        except BaseException:
            os.close(fd)
            raise

    def array(self, part: Part) -> NDArray[Any]:
        """The array at ``part``: a view, shared with the other side. Raises ValueError when it does not fit."""
        if part.offset < 0 or part.end > (self.size + 63) // 64 * 64:
            raise ValueError(f"{part} does not fit into {self.size} bytes")
        count = int(np.prod(part.shape, dtype=np.int64))
        return np.frombuffer(self._map, part.dtype, count, part.offset).reshape(part.shape)

    def close(self) -> None:
        """Let go of the descriptor. The memory goes when the last array made from it does."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _sealed_memory(size: int) -> int:
    fd = os.memfd_create("xmag", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


def _unlinked_file(size: int) -> int:
    with tempfile.TemporaryFile() as file:
        fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd

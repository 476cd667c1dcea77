"""Inode numbers, where a file keeps its number for life and on every host. Sources: statfs(2), linux/magic.h."""

import ctypes
import os
import sys
from pathlib import Path

_LASTING = frozenset(
    {
        0xEF53,  # ext2 to ext4
        0x58465342,  # XFS
        0x9123683E,  # Btrfs
        0x2FC12FC1,  # ZFS
        0xCA451A4E,  # bcachefs
        0x01021994,  # tmpfs
        0x794C7630,  # overlayfs
        0x6969,  # NFS
        0x00C36400,  # Ceph
        0x0BD00BD0,  # Lustre
        0x47504653,  # GPFS
    }
)
"""FUSE and CIFS may number a file anew whenever it is looked at."""
_STATFS_BYTES = 256


def lasting_inode(path: Path) -> int | None:
    """The file's inode number; None where the file system may change it. Raises OSError."""
    if sys.platform != "linux":
        return None
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        state = ctypes.create_string_buffer(_STATFS_BYTES)
        if ctypes.CDLL(None, use_errno=True).fstatfs(fd, state) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        kind = ctypes.c_long.from_buffer(state).value  # f_type comes first
        return os.fstat(fd).st_ino if kind & 0xFFFFFFFF in _LASTING else None
    finally:
        os.close(fd)

"""Finds services on this machine and their data folders: a key made in another folder would not work.

Linux only (proc(5)). Finds nothing on other systems, or about processes that this user may not inspect.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SERVE, API = "xmag-serve", "xmag-api"
"""Names of these processes."""
_PROC = Path("/proc")


def data_folders() -> frozenset[Path]:
    """Data folders of the services running here, outside containers with their own files."""
    return frozenset(_data_folders())


def _data_folders() -> Iterator[Path]:
    for process in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is another user's
            if (process / "comm").read_text().strip() not in {SERVE, API}:
                continue
            if (process / "ns/mnt").readlink() != (_PROC / "self/ns/mnt").readlink():
                continue
            pairs = (process / "environ").read_bytes().split(b"\0")
            named = [pair.partition(b"=")[2] for pair in pairs if pair.startswith(b"XMAG_DATA_DIR=")]
            yield (process / "cwd").readlink() / Path(
                os.fsdecode(named[0]) if named and named[0] else "data"
            ).expanduser()

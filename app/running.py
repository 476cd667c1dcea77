"""Which services run on this machine, and where their data lies: a key made in another folder would open nothing.

Linux only (proc(5)); elsewhere, and of processes that this user may not look into, nothing is known.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SERVE, API = "xmag-serve", "xmag-api"
"""What these processes call themselves."""
_PROC = Path("/proc")


def data_folders() -> frozenset[Path]:
    """The data folders of the services that run here, outside of containers with files of their own."""
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

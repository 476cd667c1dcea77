"""A share of the processor for a command and all that it starts: a control group with a quota. Linux, as root.

Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (version 1).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 10_000
"""A tenth of the usual: what is held back for a moment answers soon enough for its peers not to wait."""
_EMPTY_S = 5.0


@contextmanager
def processor_share(name: str, cores: float) -> Iterator[list[str]]:
    """What a command line begins with to get no more than ``cores`` until the block ends; OSError where it cannot be.

    All that runs in it has to have ended by then.
    """
    is_v2 = (GROUPS / "cgroup.controllers").exists()
    group = (GROUPS if is_v2 else GROUPS / "cpu") / name
    quota_us = round(cores * PERIOD_US)
    group.mkdir()
    try:
        if is_v2:
            (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        yield ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]
    finally:
        deadline = time.monotonic() + _EMPTY_S
        while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        group.rmdir()

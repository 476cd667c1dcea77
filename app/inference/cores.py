"""How many cores this process was really given: affinity and the cgroup's quota, not what the machine has."""

import math
import os
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_SELF_CGROUP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Whole cores for this process, at least 1: the least of CPU affinity and cgroup quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    memberships = _SELF_CGROUP.read_text(encoding="utf-8") if _SELF_CGROUP.exists() else ""
    quota = cgroup_quota_cores(_CGROUP_ROOT, memberships)
    return max(1, min(affinity, math.floor(quota)) if quota is not None else affinity)


def cgroup_quota_cores(root: Path, memberships: str) -> float | None:
    """The tightest CPU quota on the way from our cgroup up to ``root``, in cores; None where nothing limits.

    ``memberships`` is the text of /proc/self/cgroup: ``0::/path`` is version 2 (file cpu.max), a line whose
    controllers hold ``cpu`` is version 1 (files cpu.cfs_quota_us and cpu.cfs_period_us). Inside a container the
    named path often does not exist, and the container's own limits lie at the root: both are looked at.
    """
    quotas: list[float] = []
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            quotas += [q for folder in _upwards(root, path) if (q := _quota_v2(folder)) is not None]
        elif "cpu" in controllers.split(","):
            for mount in (root / controllers, root / "cpu"):
                quotas += [q for folder in _upwards(mount, path) if (q := _quota_v1(folder)) is not None]
    return min(quotas, default=None)


def _upwards(mount: Path, path: str) -> list[Path]:
    steps = [step for step in path.split("/") if step not in ("", "..")]
    return [mount.joinpath(*steps[:count]) for count in range(len(steps), -1, -1)]


def _quota_v2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    if not quota or not period or int(quota[0]) <= 0:
        return None
    return int(quota[0]) / int(period[0])


def _words(file: Path) -> list[str]:
    return file.read_text(encoding="ascii").split() if file.is_file() else []

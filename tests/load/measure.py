"""What a process uses, read from /proc, and whether that grows."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.system.redis import RedisConnection
from tests.service import Service

MIB = 1 << 20


@dataclass(frozen=True)
class Use:
    """Of one process: resident memory in bytes, open files, threads."""

    rss: int
    files: int
    threads: int


def use_of(pid: int) -> Use:
    """Now. FileNotFoundError if the process is gone."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {line.split(":")[0]: line.split()[1] for line in lines if len(line.split()) > 1}
    return Use(int(fields["VmRSS"]) * 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())), int(fields["Threads"]))


def snapshot(service: Service) -> dict[str, float]:
    """Everything that must not grow, by name."""
    found: dict[str, float] = {}
    for name, pid in (
        ("api", service.pid("api")), ("worker", service.pid("worker")), ("supervisor", service.process.pid)
    ):  # fmt: skip
        use = use_of(pid)
        found |= {f"{name} RSS MiB": use.rss / MIB, f"{name} files": use.files, f"{name} threads": use.threads}
    client = RedisConnection(service.queue_url()).client
    found["queue keys"] = int(client.dbsize())
    client.close()
    found["shared memory files"] = len(list(Path("/dev/shm").iterdir()))
    return found


def grown(name: str, values: Sequence[float]) -> float | None:
    """By how much the last quarter's median exceeds the second's, if that is more than is allowed; else None.

    The first quarter warms up. Memory may vary by 16 MiB, counts by 2.
    """
    quarter = len(values) // 4
    before = statistics.median(values[quarter : 2 * quarter])
    growth = statistics.median(values[-quarter:]) - before
    return growth if growth > (16 if "RSS" in name else 2) else None

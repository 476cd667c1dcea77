"""Two workers that both think a job is theirs."""

import random
import signal

from tests.chaos.house import House, kill
from tests.chaos.ledger import Ledger
from tests.service import until

ROUNDS = 5


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """A worker is stopped with a job in hand until another has taken it up, or ended it, and then goes on."""
    for number in range(ROUNDS):
        job_id = house.submit(ledger, "large")
        pid = house.once_begun(job_id)
        kill(pid, signal.SIGSTOP)
        folder = house.service.data_dir / "jobs" / job_id
        wanted = folder / ("outcome.json" if number % 2 else "attempt-2")
        until(wanted.exists, 40)
        kill(pid, signal.SIGCONT)
        ledger.fault("worker paused beyond its lease (SIGSTOP, SIGCONT)")

"""Every process of the installation killed at once, uploads and attempts in the middle, and all started again.

What a machine's memory had not yet given to the disk is not lost this way, as it is when the current fails: that the
files are fsynced before the 202 is held by tests/jobs, not by this.
"""

import random
import threading
import time

from tests.chaos.house import House
from tests.chaos.ledger import Ledger

ROUNDS = 3


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """``ROUNDS`` times, with jobs waiting, running, and on their way in."""
    for _ in range(ROUNDS):
        for _ in range(3):
            house.submit(ledger, rng.choice(["middle", "large"]))
        on_its_way = threading.Thread(target=house.submit, args=(ledger, "large"), daemon=True)
        on_its_way.start()
        time.sleep(rng.uniform(0, 0.8))
        house.cut_power()
        ledger.fault("everything killed at once and started again")
        house.open()
        on_its_way.join()

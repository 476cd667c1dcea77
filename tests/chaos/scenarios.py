"""The scenarios besides the sweep, by name, and the ground that each is played on."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.chaos import api_kills, clock, disk, limits, order, owners, poison, power, queue_faults
from tests.chaos.house import House
from tests.chaos.ledger import Ledger

PLAYS: dict[str, Callable[[House, Ledger, random.Random], None]] = {
    "api": api_kills.play,
    "queue": queue_faults.play,
    "owners": owners.play,
    "power": power.play,
    "poison": poison.play,
    "limits": limits.play,
    "order": order.play,
    "disk": disk.play,
    "clock": clock.play,
}
HOUSES: dict[str, dict[str, Any]] = {
    "poison": poison.HOUSE,
    "limits": limits.HOUSE,
    "order": order.HOUSE,
    "disk": disk.HOUSE,
}


@contextmanager
def ground(house: House, ledger: Ledger) -> Iterator[bool]:
    """What a scenario needs around its house; False, and a note, where this machine cannot give it."""
    if ledger.name == "clock":
        why = clock.prepare(house)
        ledger.notes += [why] if why else []
        yield not why
    elif ledger.name == "disk":
        with _small_disk(house, ledger) as is_possible:
            yield is_possible
    else:
        yield True


@contextmanager
def _small_disk(house: House, ledger: Ledger) -> Iterator[bool]:
    house.folder.mkdir(parents=True)
    if os.geteuid() != 0:
        ledger.notes.append("skipped: only root can mount a small disk (tmpfs)")
        yield False
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={disk.SIZE}", "none", str(house.folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        ledger.notes.append(f"skipped: no small disk can be mounted here: {mounted.stderr.strip()}")
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(house.folder)], check=True)

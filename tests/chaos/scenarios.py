"""The scenarios besides the sweep, by name, and the ground that each is played on."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.chaos.house import House
from tests.chaos.ledger import Ledger

PLAYS: dict[str, Callable[[House, Ledger, random.Random], None]] = {}
HOUSES: dict[str, dict[str, Any]] = {}


@contextmanager
def ground(house: House, ledger: Ledger) -> Iterator[bool]:
    """What a scenario needs around its house; False where this machine cannot give it."""
    yield True

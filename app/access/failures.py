"""Refused credentials, counted by address: past a limit the answer is 429, and nobody can guess at leisure.

A right key or token passes whatever was refused before: 256 random bits are not guessed, and one program with an old
key must not lock out those behind the same address.
"""

import math
import threading
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

ADDRESSES_MAX = 4096
WINDOW_S = 60.0


class FailureLimiter:
    """``failures_max`` in a row, one more every ``WINDOW_S`` / ``failures_max`` (a token bucket). Thread-safe.

    Remembers ``ADDRESSES_MAX`` addresses; the one silent for longest is forgotten first.
    """

    def __init__(self, failures_max: int) -> None:
        self._max = failures_max
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, address: str) -> int | None:
        """One more refusal; seconds to wait if that is too many, else None."""
        name, moment, rate = _network(address), time.monotonic(), self._max / WINDOW_S
        with self._lock:
            left, seen = self._left.pop(name, (float(self._max), moment))
            left = min(float(self._max), left + (moment - seen) * rate)
            is_allowed = left >= 1
            self._left[name] = (left - is_allowed, moment)
            while len(self._left) > ADDRESSES_MAX:
                self._left.popitem(last=False)
        return None if is_allowed else max(1, math.ceil((1 - left) / rate))

    def __len__(self) -> int:
        return len(self._left)


def _network(address: str) -> str:
    """The address; for IPv6 its /64, for that is what one machine is given to choose from."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped) if found.ipv4_mapped else str(IPv6Address(int(found) >> 64 << 64))
    return str(found)

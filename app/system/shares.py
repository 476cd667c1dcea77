"""Sharing of a limited number of places, so that a newcomer always finds one.

A tenant may take a place while it holds fewer than are free. Alone it gets half of all, the next tenant half of the
rest, and so on. In the same way a key gets half of what its tenant could have. In the viewer, a slide gets half of what
its key could have. Source: dynamic thresholds, Choudhury and Hahne, IEEE/ACM Transactions on Networking
6 (2), 1998.
"""

import math
from collections import Counter
from collections.abc import Mapping

Owner = tuple[str, ...]
"""A holder of places: tenant, key in the tenant, and so on; all holders have the same number of names."""


class Shares:
    """``size`` places and who holds them. Not thread-safe."""

    def __init__(self, size: int, held: Mapping[Owner, int] | None = None) -> None:
        self._size, self._held = size, Counter[Owner]()
        for owner, places in (held or {}).items():
            self._count(owner, places)

    def may_take(self, owner: Owner) -> bool:
        """Whether ``owner`` may take one more place."""
        room = self._size - self._held[()]
        for held in self.held_by(owner):
            if held >= room:
                return False
            room = math.ceil((room - held) / 2)  # as many more could be taken here
        return True

    def take(self, owner: Owner) -> bool:
        """Take a place; False where ``owner`` may not."""
        may = self.may_take(owner)
        if may:
            self._count(owner, 1)
        return may

    def give_back(self, owner: Owner) -> None:
        """Free a place that ``owner`` took."""
        self._count(owner, -1)

    def held_by(self, owner: Owner) -> tuple[int, ...]:
        """Places held by the tenant, by the key, and so on; the lowest comes first."""
        return tuple(self._held[part] for part in _parts(owner))

    def _count(self, owner: Owner, places: int) -> None:
        for part in ((), *_parts(owner)):
            self._held[part] += places
            if not self._held[part]:
                del self._held[part]


def _parts(owner: Owner) -> list[Owner]:
    """The tenant, the key in it, and so on."""
    return [owner[:depth] for depth in range(1, len(owner) + 1)]

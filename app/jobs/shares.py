"""How a limited number of places is shared, so that whoever comes next finds one, whatever others hold.

A tenant may take a place while it holds fewer than are free: alone it gets half of all, the next tenant half of the
rest, and so on. In the same way a key gets half of what its tenant could have. Source: dynamic thresholds, Choudhury
and Hahne, IEEE/ACM Transactions on Networking 6 (2), 1998.
"""

import math
from collections import Counter
from collections.abc import Iterable

from app.jobs.record import Holder


class Shares:
    """``size`` places and who holds them. Not thread-safe."""

    def __init__(self, size: int, held: Iterable[Holder] = ()) -> None:
        self._size = size
        self._by_tenant: Counter[str] = Counter()
        self._by_holder: Counter[Holder] = Counter()
        for holder in held:
            self._count(holder, 1)

    def may_take(self, holder: Holder) -> bool:
        """Whether a place is free that ``holder`` need not leave to others."""
        free, of_tenant = self._size - self._by_tenant.total(), self._by_tenant[holder.tenant]
        return of_tenant < free and self._by_holder[holder] < math.ceil((free - of_tenant) / 2)

    def take(self, holder: Holder) -> bool:
        """Take a place; False where ``holder`` may not."""
        may = self.may_take(holder)
        if may:
            self._count(holder, 1)
        return may

    def give_back(self, holder: Holder) -> None:
        """Free a place that ``holder`` took."""
        self._count(holder, -1)

    def held_by(self, holder: Holder) -> tuple[int, int]:
        """Places that the tenant holds, and its key: who holds less comes first."""
        return self._by_tenant[holder.tenant], self._by_holder[holder]

    def _count(self, holder: Holder, places: int) -> None:
        self._by_tenant[holder.tenant] += places
        self._by_holder[holder] += places
        if not self._by_holder[holder]:
            del self._by_holder[holder]
        if not self._by_tenant[holder.tenant]:
            del self._by_tenant[holder.tenant]

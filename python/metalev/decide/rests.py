"""Released addresses that rest: whose they were, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

from metalev.model.address import IPAddress, sort_key
from metalev.model.meta import Name
from metalev.model.pools import Resting


class Rests:
    """The addresses that rest, by address, by Service and by the end of the rest; each change is O(log n)."""

    def __init__(self) -> None:
        self._resting: dict[IPAddress, Resting] = {}
        self._by_service: dict[Name, dict[IPAddress, None]] = {}
        self._ends: list[tuple[int, int, Resting]] = []  # the end and, as rests are not ordered, a running number
        self._order = count()

    def __iter__(self) -> Iterator[Resting]:
        return iter(self._resting.values())

    def get(self, address: IPAddress) -> Resting | None:
        """The rest of ``address``, if it rests."""
        return self._resting.get(address)

    def of(self, service: Name) -> tuple[IPAddress, ...]:
        """The addresses that rest for ``service``, the last one that it had first: it may have them back at once."""
        theirs = (self._resting[address] for address in self._by_service.get(service, ()))
        return tuple(one.address for one in sorted(theirs, key=lambda one: (-one.until, sort_key(one.address))))

    def begin(self, resting: Resting) -> None:
        """Let an address rest; a rest that it had is over."""
        self.end(resting.address)
        self._resting[resting.address] = resting
        self._by_service.setdefault(resting.service, {})[resting.address] = None
        heappush(self._ends, (resting.until, next(self._order), resting))

    def end(self, address: IPAddress) -> bool:
        """End the rest of ``address``; tells whether it rested."""
        resting = self._resting.pop(address, None)
        if resting is None:
            return False
        theirs = self._by_service[resting.service]
        del theirs[address]
        if not theirs:
            del self._by_service[resting.service]
        return True

    def next_end(self) -> int | None:
        """When the next rest ends, ``None`` if nothing rests."""
        while self._ends and self._resting.get(self._ends[0][2].address) is not self._ends[0][2]:
            heappop(self._ends)  # a rest that was ended before its time
        return self._ends[0][0] if self._ends else None

    def over(self, now: float) -> tuple[IPAddress, ...]:
        """The addresses whose rest is over at ``now``; it is still for the caller to end it."""
        found = []
        while (end := self.next_end()) is not None and end <= now:
            found.append(heappop(self._ends)[2].address)
        return tuple(found)

"""Which addresses of a pool are free, without ever walking the pool.

The addresses of one family are numbered in the order in which they are handed out: ranges as the pool lists them,
ascending inside each. A *mark* divides the numbers: below it every free one is in a heap, above it every one is free
unless taken. So memory follows the addresses in use, and an IPv6 /64 or a /8 costs what a /30 costs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from metalev.model.address import AddressRange, Family, IPAddress, address_of
from metalev.model.pools import Resting

MAX_COUNT = 2**63 - 1
"""Counts stop here, as MetalLB's do (an int64)."""

FAMILIES: tuple[Family, ...] = (4, 6)

ENDED_KEPT = 64
"""Ended rests that are remembered at most, besides as many as there are resting addresses."""


class FreeList:
    """The free and the taken addresses of disjoint ``ranges``.

    An address that is not taken may rest (it is handed out last) or be barred (it is never handed out). With
    ``avoid_buggy`` the IPv4 addresses that end in .0 or .255 do not belong to it (MetalLB's ``avoidBuggyIPs``: smurf
    protection in old home routers drops them).
    """

    def __init__(self, ranges: Sequence[AddressRange], *, avoid_buggy: bool = False) -> None:
        self._queues = {
            family: _Queue(family, [one for one in ranges if one.family == family], avoid_buggy and family == 4)
            for family in FAMILIES
        }

    def __contains__(self, address: IPAddress) -> bool:
        return self._queues[address.version].number_of(int(address)) is not None

    def number_of(self, address: IPAddress) -> int:
        """The place of ``address`` in the order of its family. Raises ``ValueError`` if it is not of these ranges."""
        return self._queues[address.version].number(address)

    def first_free(self, family: Family) -> IPAddress | None:
        """The next address to hand out, or ``None`` when there is none; it stays free until taken."""
        return self._queues[family].first_free()

    def is_free(self, family: Family, number: int) -> bool:
        """Whether the address at the place ``number`` can be handed out and does not rest."""
        return self._queues[family].is_free(number)

    def longest_rested(self, family: Family) -> IPAddress | None:
        """The resting address whose rest ends first, ``None`` if none rests."""
        return self._queues[family].longest_rested()

    def take(self, address: IPAddress) -> None:
        """Mark ``address`` as taken. Raises ``ValueError`` if it is not of these ranges or not free."""
        self._queues[address.version].take(address)

    def release(self, address: IPAddress) -> None:
        """Make ``address`` free again. Raises ``ValueError`` if it was not taken."""
        self._queues[address.version].release(address)

    def set(self, address: IPAddress, *, taken: bool, barred: bool = False, rests: Resting | None = None) -> None:
        """Make all of this so, whatever was before; what is taken does not rest. One that is barred can be taken.

        Raises ``ValueError`` if ``address`` is not of these ranges.
        """
        until = rests.until if rests and not taken else None
        self._queues[address.version].set(self.number_of(address), taken=taken, barred=barred, until=until)

    def address_at(self, family: Family, number: int) -> IPAddress:
        """The address of ``family`` at the place ``number``, as :meth:`number_of` gives it."""
        return self._queues[family].address_at(number)

    def resting(self) -> tuple[IPAddress, ...]:
        """The addresses that rest, in the order in which they would be handed out without."""
        return tuple(address for family in FAMILIES for address in self._queues[family].resting())

    def total(self, family: Family) -> int:
        """How many addresses there are, at most ``MAX_COUNT``."""
        return min(self._queues[family].total, MAX_COUNT)

    def in_use(self, family: Family) -> int:
        """How many of them are taken."""
        return len(self._queues[family].taken)

    def available(self, family: Family) -> int:
        """How many can still be handed out, resting ones too, at most ``MAX_COUNT``."""
        return self.total(family) - self.in_use(family) - self._queues[family].barred_and_free()


class _Queue:
    """The addresses of one family, numbered from 0 in the order in which they are handed out."""

    def __init__(self, family: Family, ranges: Sequence[AddressRange], avoid_buggy: bool) -> None:
        self._family = family
        self._ranges = ranges
        self._avoid_buggy = avoid_buggy
        self._starts: list[int] = []  # the number of each range's first address
        self._size = 0
        for addresses in ranges:
            self._starts.append(self._size)
            self._size += addresses.size
        self._by_first = sorted(range(len(ranges)), key=lambda index: ranges[index].first)
        self._firsts = [ranges[index].first for index in self._by_first]
        self._mark = 0
        self._heap: list[int] = []
        self._in_heap: set[int] = set()  # a number may be taken by name while it waits in the heap
        self.taken: set[int] = set()
        self._barred: set[int] = set()
        self._resting: dict[int, int] = {}
        self._rests: list[tuple[int, int]] = []  # end and number; what is not in _resting like this is over
        self.total = self._size - (sum(map(_buggy_in, ranges)) if avoid_buggy else 0)

    def number_of(self, value: int) -> int | None:
        """The number of the address ``value``, ``None`` if it does not belong here."""
        place = bisect_right(self._firsts, value) - 1
        if place < 0 or (self._avoid_buggy and _is_buggy(value)):
            return None
        index = self._by_first[place]
        addresses = self._ranges[index]
        return self._starts[index] + value - addresses.first if value <= addresses.last else None

    def first_free(self) -> IPAddress | None:
        number = self._lowest()
        return None if number is None else self.address_at(number)

    def longest_rested(self) -> IPAddress | None:
        while self._rests:
            until, number = self._rests[0]
            if self._resting.get(number) == until and number not in self._barred:
                return self.address_at(number)
            heappop(self._rests)
        return None

    def take(self, address: IPAddress) -> None:
        number = self.number_of(int(address))
        if number is None or number in self.taken:
            raise ValueError(f"{address} is not free here")
        self.set(number, taken=True, barred=number in self._barred, until=None)

    def release(self, address: IPAddress) -> None:
        number = self.number_of(int(address))
        if number is None or number not in self.taken:
            raise ValueError(f"{address} is not taken here")
        self.set(number, taken=False, barred=number in self._barred, until=None)

    def set(self, number: int, *, taken: bool, barred: bool, until: int | None) -> None:
        (self.taken.add if taken else self.taken.discard)(number)
        (self._barred.add if barred else self._barred.discard)(number)
        if until is None:
            self._resting.pop(number, None)
        else:
            self._resting[number] = until
            heappush(self._rests, (until, number))
        self._forget_ended()
        if number < self._mark and number not in self._in_heap and self.is_free(number):
            self._push(number)

    def _forget_ended(self) -> None:
        """Keep the heap in proportion to what rests: while anything else is free nobody asks for its top."""
        if len(self._rests) > 2 * len(self._resting) + ENDED_KEPT:
            self._rests = sorted((until, number) for number, until in self._resting.items())  # which is a heap

    def resting(self) -> Iterator[IPAddress]:
        return map(self.address_at, sorted(self._resting))

    def barred_and_free(self) -> int:
        return len(self._barred - self.taken)

    def address_at(self, number: int) -> IPAddress:
        return address_of(self._family, self._value_of(number))

    def number(self, address: IPAddress) -> int:
        number = self.number_of(int(address))
        if number is None:
            raise ValueError(f"{address} does not belong here")
        return number

    def is_free(self, number: int) -> bool:
        return number not in self.taken and number not in self._barred and number not in self._resting

    def _lowest(self) -> int | None:
        """The lowest free number, at the top of the heap when this returns."""
        while self._heap and not self.is_free(self._heap[0]):
            self._pop()
        while not self._heap and self._mark < self._size:
            number, self._mark = self._mark, self._mark + 1
            if self.is_free(number) and not (self._avoid_buggy and _is_buggy(self._value_of(number))):
                self._push(number)
        return self._heap[0] if self._heap else None

    def _push(self, number: int) -> None:
        heappush(self._heap, number)
        self._in_heap.add(number)

    def _pop(self) -> int:
        number = heappop(self._heap)
        self._in_heap.remove(number)
        return number

    def _value_of(self, number: int) -> int:
        index = bisect_right(self._starts, number) - 1
        return self._ranges[index].first + number - self._starts[index]


def _is_buggy(value: int) -> bool:
    return value & 0xFF in {0, 0xFF}


def _buggy_in(addresses: AddressRange) -> int:
    return _buggy_below(addresses.last + 1) - _buggy_below(addresses.first)


def _buggy_below(value: int) -> int:
    """How many addresses smaller than ``value`` end in .0 or .255."""
    return value // 256 * 2 + (1 if value % 256 else 0)

"""Pools as a whole: which of their ranges can be used, and which pool an address is of."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping
from ipaddress import summarize_address_range

from msgspec.structs import replace

from metalev.decide.freelist import FAMILIES
from metalev.decide.words import quoted
from metalev.model.address import AddressRange, Family, IPAddress, IPNetwork, address_of
from metalev.model.meta import Name
from metalev.model.pools import Pool


def check_pools(pools: Iterable[Pool]) -> tuple[tuple[Pool, ...], Mapping[Name, str]]:
    """The pools with the ranges that are theirs alone, by name, and what is wrong with the others.

    A range that overlaps one of an earlier pool, or an earlier one of its own, is left out: the rest goes on working.
    The problems are in MetalLB's words, one text per pool.
    """
    claims = _Claims()
    usable: list[Pool] = []
    problems: dict[Name, str] = {}
    for pool in sorted(pools, key=lambda one: one.name):
        kept = []
        complaints = []
        for addresses in pool.ranges:
            rival = claims.claim(addresses)
            if rival is None:
                kept.append(addresses)
            else:
                complaints.append(_overlap(addresses, pool, rival))
        if not pool.ranges:
            complaints.append("pool has no prefixes defined")
        if complaints:
            problems[pool.name] = "; ".join(complaints)
        usable.append(replace(pool, ranges=tuple(kept)) if len(kept) < len(pool.ranges) else pool)
    return tuple(usable), problems


class PoolIndex:
    """Finds the pool of an address in O(log n), among pools whose ranges are disjoint."""

    def __init__(self, pools: Iterable[Pool]) -> None:
        self._rows: dict[Family, list[tuple[int, int, Pool]]] = {family: [] for family in FAMILIES}
        for pool in pools:
            for addresses in pool.ranges:
                self._rows[addresses.family].append((addresses.first, addresses.last, pool))
        for rows in self._rows.values():
            rows.sort(key=lambda row: row[0])
        self._firsts = {family: [first for first, _, _ in rows] for family, rows in self._rows.items()}

    def pool_of(self, address: IPAddress) -> Pool | None:
        """The pool that ``address`` is of; ``None`` also for one that its pool avoids as buggy."""
        value = int(address)
        place = bisect_right(self._firsts[address.version], value) - 1
        if place < 0:
            return None
        _, last, pool = self._rows[address.version][place]
        buggy = pool.avoid_buggy_ips and address.version == 4 and value & 0xFF in {0, 0xFF}
        return pool if value <= last and not buggy else None


class _Claims:
    """Disjoint ranges in order, so that an overlap shows between neighbours."""

    def __init__(self) -> None:
        self._claimed: list[AddressRange] = []

    def claim(self, addresses: AddressRange) -> AddressRange | None:
        """Keep ``addresses``, or return the earlier range that it overlaps."""
        place = bisect_right(self._claimed, addresses)
        for neighbour in self._claimed[max(place - 1, 0) : place + 1]:
            if neighbour.overlaps(addresses):
                return neighbour
        insort(self._claimed, addresses)
        return None


def _overlap(addresses: AddressRange, pool: Pool, rival: AddressRange) -> str:
    """MetalLB speaks of CIDRs: the first two of both ranges that overlap."""
    mine, theirs = next((one, other) for one in _cidrs(addresses) for other in _cidrs(rival) if one.overlaps(other))
    return f"CIDR {quoted(mine)} in pool {quoted(pool.name.name)} overlaps with already defined CIDR {quoted(theirs)}"


def _cidrs(addresses: AddressRange) -> list[IPNetwork]:
    first, last = address_of(addresses.family, addresses.first), address_of(addresses.family, addresses.last)
    return list(summarize_address_range(first, last))

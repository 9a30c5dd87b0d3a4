"""Pools as a whole: which of their addresses can be used, and which pool an address is of."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping
from ipaddress import summarize_address_range
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from metalev.decide.freelist import FAMILIES
from metalev.decide.words import quoted
from metalev.model.address import AddressRange, Family, IPAddress, IPNetwork, address_of
from metalev.model.meta import Name
from metalev.model.pools import Pool

# Special addresses that nobody can reach from another host, by the RFC that says so.
_NEVER: tuple[tuple[AddressRange, str], ...] = tuple(
    (AddressRange.parse(text), what)
    for text, what in (
        ("0.0.0.0/8", 'unspecified addresses ("this network", RFC 1122), which no host answers for'),
        ("127.0.0.0/8", "loopback addresses (RFC 1122), which never leave a host"),
        ("169.254.0.0/16", "link-local addresses (RFC 3927), which no router forwards"),
        ("224.0.0.0/4", "multicast addresses (RFC 5771), which are never one host's"),
        ("255.255.255.255/32", "the broadcast address (RFC 919), which is every host's"),
        ("::/128", "the unspecified address (RFC 4291), which no host answers for"),
        ("::1/128", "the loopback address (RFC 4291), which never leaves a host"),
        ("::ffff:0:0/96", "IPv4-mapped addresses (RFC 4291), which are never in a packet: write them as IPv4"),
        ("fe80::/10", "link-local addresses (RFC 4291), which no router forwards"),
        ("ff00::/8", "multicast addresses (RFC 4291), which are never one host's"),
    )
)


NAMED = 10
"""Mistakes of one pool that are spelled out: thousands of ranges may overlap those of another at once."""


class Unusable(Struct, frozen=True):
    """The range at ``index`` of ``pool`` has addresses that cannot be handed out as its own; ``message`` says why."""

    pool: Name
    index: int
    message: str


def check_pools(pools: Iterable[Pool]) -> tuple[tuple[Pool, ...], Mapping[Name, str]]:
    """The pools with the addresses that are theirs alone, by name, and what is wrong with the others.

    What overlaps a range of an earlier pool, or an earlier one of its own, is left out, and so is what no host can
    have (loopback, multicast...). The rest goes on working, so no Service loses its address because a range became too
    long. There is one text of problems per pool, with the first few of many.
    """
    usable, found = _divide(sorted(pools, key=lambda one: one.name))
    problems = {pool.name: "pool has no prefixes defined" for pool in usable if not pool.ranges}
    messages: dict[Name, list[str]] = {}
    for one in found:
        messages.setdefault(one.pool, []).append(one.message)
    return tuple(usable), problems | {name: _listed(texts) for name, texts in messages.items()}


def _listed(texts: list[str]) -> str:
    more = f"; and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return "; ".join(texts[:NAMED]) + more


def unusable_ranges(pools: Iterable[Pool]) -> tuple[Unusable, ...]:
    """The ranges that cannot be handed out as their pool's alone, in the order of the pools' names."""
    return tuple(_divide(sorted(pools, key=lambda one: one.name))[1])


def _divide(pools: Iterable[Pool]) -> tuple[list[Pool], list[Unusable]]:
    """Give each address to the first pool that names it, but to none what no host can have."""
    claims = _Claims()
    usable: list[Pool] = []
    found: list[Unusable] = []
    for pool in pools:
        kept: list[AddressRange] = []
        for index, addresses in enumerate(pool.ranges):
            for special, what in _NEVER:
                if special.overlaps(addresses):
                    found.append(Unusable(pool.name, index, _special(addresses, pool, special, what)))
            rival, free = claims.claim(addresses)
            kept += free
            if rival is not None:
                found.append(Unusable(pool.name, index, _overlap(addresses, pool, rival)))
        usable.append(pool if tuple(kept) == pool.ranges else replace(pool, ranges=tuple(kept)))
    return usable, found


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

    def claim(self, addresses: AddressRange) -> tuple[AddressRange | None, list[AddressRange]]:
        """Keep what is free of ``addresses``. Returns the first claimed range that it overlaps, and the free parts."""
        special = [one for one, _ in _NEVER if one.overlaps(addresses)]
        wanted = _without(addresses, special)
        rivals = [rival for part in wanted for rival in self._rivals(part)]
        free = [part for each in wanted for part in _without(each, self._rivals(each))]
        for part in free:
            insort(self._claimed, part)
        return (rivals[0] if rivals else None), free

    def _rivals(self, addresses: AddressRange) -> list[AddressRange]:
        """The claimed ranges that ``addresses`` overlaps, in order."""
        place = max(bisect_right(self._claimed, addresses) - 1, 0)
        rivals = []
        for claimed in islice(self._claimed, place, None):
            if (claimed.family, claimed.first) > (addresses.family, addresses.last):
                break
            if claimed.overlaps(addresses):
                rivals.append(claimed)
        return rivals


def _without(addresses: AddressRange, others: Iterable[AddressRange]) -> list[AddressRange]:
    """What is left of ``addresses``; ``others`` overlap it, are disjoint and in order."""
    left: list[AddressRange] = []
    first = addresses.first
    for other in others:
        if first < other.first:
            left.append(AddressRange(addresses.family, first, other.first - 1))
        first = other.last + 1
    if first <= addresses.last:
        left.append(AddressRange(addresses.family, first, addresses.last))
    return left


def _special(addresses: AddressRange, pool: Pool, special: AddressRange, what: str) -> str:
    mine = next(one for one in _cidrs(addresses) for other in _cidrs(special) if one.overlaps(other))
    return (
        f"CIDR {quoted(mine)} in pool {quoted(pool.name.name)} has {what}: none of them is handed out, "
        "write addresses of the network that the nodes and their clients are on"
    )


def _overlap(addresses: AddressRange, pool: Pool, rival: AddressRange) -> str:
    """MetalLB speaks of CIDRs: the first two of both ranges that overlap."""
    mine, theirs = next((one, other) for one in _cidrs(addresses) for other in _cidrs(rival) if one.overlaps(other))
    return f"CIDR {quoted(mine)} in pool {quoted(pool.name.name)} overlaps with already defined CIDR {quoted(theirs)}"


def _cidrs(addresses: AddressRange) -> list[IPNetwork]:
    first, last = address_of(addresses.family, addresses.first), address_of(addresses.family, addresses.last)
    return list(summarize_address_range(first, last))

"""Which addresses are given away next, so that the speakers find out ahead of time whether anybody else has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metalev.decide.freelist import FAMILIES
from metalev.decide.pools import check_pools
from metalev.model.address import Family, IPAddress, address_of
from metalev.model.pools import Pool
from metalev.model.snapshot import Snapshot

# Free addresses of each pool and family to find out about: as many Services may come at once.
AHEAD = 32
# Those that somebody else has and that are found out about besides, for it to show when they become free.
TAKEN_BY_OTHERS = 256
# Of all pools together.
MOST = 512


class Outlook:
    """Remembers what need not be worked out again, and nothing else."""

    def __init__(self) -> None:
        self._pools: object = None
        self._usable: tuple[Pool, ...] = ()
        self._seen: tuple[object, ...] = ()
        self._next: tuple[IPAddress, ...] = ()

    def next_free(self, snapshot: Snapshot) -> tuple[IPAddress, ...]:
        """The addresses that nobody of ours has, each pool's in the order in which it gives them away, at most 512.

        Equal on every node, but for the addresses of which this node alone knows that somebody has them: it finds out
        about as many more.
        """
        seen = (snapshot.services, snapshot.nodes, snapshot.pools, snapshot.conflicts)
        if len(self._seen) == len(seen) and all(one is other for one, other in zip(seen, self._seen, strict=True)):
            return self._next
        if snapshot.pools is not self._pools:
            self._pools, self._usable = snapshot.pools, check_pools(snapshot.pools.values())[0]
        self._seen, self._next = seen, self._work_out(snapshot)
        return self._next

    def _work_out(self, snapshot: Snapshot) -> tuple[IPAddress, ...]:
        parts = [(pool, family) for pool in self._usable for family in FAMILIES if _ranges(pool, family)]
        if not parts:
            return ()
        taken = frozenset(_taken(snapshot))
        foreign = frozenset(snapshot.conflicts)
        count = max(1, min(AHEAD, MOST // len(parts)))
        found = (address for pool, family in parts for address in _first(pool, family, taken, foreign, count))
        return tuple(found)[:MOST]


def _taken(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    """What Services and nodes have, as version and number: those compare faster than addresses."""
    for service in snapshot.services.values():
        for address in service.status.addresses:
            yield address.version, int(address)
    for node in snapshot.nodes.values():
        for address in (*node.addresses, *node.other_addresses):
            yield address.version, int(address)


def _first(
    pool: Pool, family: Family, taken: frozenset[tuple[int, int]], foreign: frozenset[str], count: int
) -> Iterator[IPAddress]:
    left, others = count, TAKEN_BY_OTHERS
    for value in _values(pool, family):
        if (family, value) in taken:
            continue
        address = address_of(family, value)
        if foreign and str(address) in foreign:
            others -= 1
        else:
            left -= 1
        yield address
        if not left or not others:
            return


def _values(pool: Pool, family: Family) -> Iterable[int]:
    for first, last in _ranges(pool, family):
        for value in range(first, last + 1):
            if not (pool.avoid_buggy_ips and family == 4 and value & 0xFF in {0, 0xFF}):
                yield value


def _ranges(pool: Pool, family: Family) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in pool.ranges if one.family == family]

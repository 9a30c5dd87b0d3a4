"""Who holds which address: worked out from the statuses of the Services, never stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from metalev.decide.freelist import FreeList, Skip
from metalev.decide.pools import PoolIndex, check_pools
from metalev.model.address import Family, IPAddress
from metalev.model.meta import Name
from metalev.model.pools import Pool, PoolStatus


class Ledger:
    """The pools and the Services that hold addresses of them.

    It keeps books and makes no rules: several Services may hold one address, in the order in which they came, and a
    held address need not be of any pool. What it never does is to call an address free that somebody holds.
    """

    def __init__(self) -> None:
        self._declared: tuple[Pool, ...] = ()
        self._pools: dict[str, Pool] = {}
        self._problems: Mapping[Name, str] = {}
        self._index = PoolIndex(())
        self._free: dict[str, FreeList] = {}
        self._addresses: dict[Name, tuple[IPAddress, ...]] = {}
        self._holders: dict[IPAddress, dict[Name, None]] = {}  # a dict is a set that remembers who came first

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The usable pools by name, in the order of their names."""
        return self._pools

    @property
    def problems(self) -> Mapping[Name, str]:
        """What is wrong with the pools that ``set_pools`` was given."""
        return self._problems

    def set_pools(self, pools: Iterable[Pool]) -> bool:
        """Make ``pools`` the pools; tells whether that changed anything. Who holds what stays as it is."""
        # Not their versions: a pool's own status is written into it, and changes nothing for its addresses.
        declared = tuple(replace(pool, version="") for pool in sorted(pools, key=lambda pool: pool.name))
        if declared == self._declared:
            return False
        usable, self._problems = check_pools(declared)
        self._declared = declared
        self._pools = {pool.name.name: pool for pool in usable}
        self._index = PoolIndex(usable)
        self._free = {
            name: FreeList(pool.ranges, avoid_buggy=pool.avoid_buggy_ips) for name, pool in self._pools.items()
        }
        for address in self._holders:
            self._mark(address, taken=True)
        return True

    def hold(self, service: Name, addresses: Sequence[IPAddress]) -> tuple[IPAddress, ...]:
        """Let ``service`` hold exactly ``addresses``; returns those that nobody holds any more because of it.

        What it held already keeps its place in line.
        """
        before, now = self._addresses.get(service, ()), tuple(dict.fromkeys(addresses))
        if before == now:
            return ()
        for address in now:
            if address not in self._holders:
                self._holders[address] = {}
                self._mark(address, taken=True)
            self._holders[address].setdefault(service)
        if now:
            self._addresses[service] = now
        else:
            self._addresses.pop(service, None)
        return tuple(address for address in before if address not in now and self._leave(service, address))

    def release(self, service: Name) -> tuple[IPAddress, ...]:
        """Let ``service`` hold nothing; returns the addresses that nobody holds any more because of it."""
        return self.hold(service, ())

    def addresses_of(self, service: Name) -> tuple[IPAddress, ...]:
        """The addresses that ``service`` holds."""
        return self._addresses.get(service, ())

    def services(self) -> tuple[Name, ...]:
        """Every Service that holds an address."""
        return tuple(self._addresses)

    def holders(self, address: IPAddress) -> tuple[Name, ...]:
        """Who holds ``address``, first come first."""
        return tuple(self._holders.get(address, ()))

    def ahead_of(self, service: Name, address: IPAddress) -> tuple[Name, ...]:
        """Who held ``address`` before ``service``: everybody who does, if ``service`` itself does not."""
        holders = self.holders(address)
        return holders[: holders.index(service)] if service in holders else holders

    def pool_of(self, address: IPAddress) -> Pool | None:
        """The pool that ``address`` is of, if any."""
        return self._index.pool_of(address)

    def first_free(self, pool: str, family: Family, skip: Skip | None = None) -> IPAddress | None:
        """The address that ``pool`` would give next; ``skip`` passes over a few."""
        return self._free[pool].first_free(family, skip)

    def counts(self, pool: str) -> PoolStatus:
        """How many addresses of ``pool`` are held and free. Raises ``KeyError`` for an unknown pool."""
        free = self._free[pool]
        return PoolStatus(
            assigned_ipv4=free.in_use(4),
            assigned_ipv6=free.in_use(6),
            available_ipv4=free.total(4) - free.in_use(4),
            available_ipv6=free.total(6) - free.in_use(6),
        )

    def _leave(self, service: Name, address: IPAddress) -> bool:
        """Strike ``service`` from the holders of ``address``; tells whether it was the last."""
        holders = self._holders[address]
        del holders[service]
        if holders:
            return False
        del self._holders[address]
        self._mark(address, taken=False)
        return True

    def _mark(self, address: IPAddress, *, taken: bool) -> None:
        pool = self._index.pool_of(address)
        if pool is not None:
            free = self._free[pool.name.name]
            (free.take if taken else free.release)(address)

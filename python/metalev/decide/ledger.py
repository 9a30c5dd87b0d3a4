"""Who holds which address: worked out from the statuses of the Services, never stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from metalev.decide.freelist import FAMILIES, FreeList
from metalev.decide.pools import PoolIndex, check_pools
from metalev.decide.rests import Rests
from metalev.decide.rooms import PortKey
from metalev.decide.sharing import Openings, Tenancy, Terms
from metalev.decide.waiting import Opening
from metalev.model.address import Family, IPAddress
from metalev.model.meta import Name
from metalev.model.pools import Pool, PoolStatus, Resting

ALONE = Terms()


class Ledger:
    """The pools and the Services that hold addresses of them.

    It keeps books and makes no rules: several Services may hold one address, whether they agree on sharing it or not,
    and a held address need not be of any pool. What it never does is to call an address free that somebody holds.
    """

    def __init__(self) -> None:
        self._declared: tuple[Pool, ...] = ()
        self._pools: dict[str, Pool] = {}
        self._problems: Mapping[Name, str] = {}
        self._index = PoolIndex(())
        self._free: dict[str, FreeList] = {}
        self._openings: dict[tuple[str, Family], Openings] = {}
        self._addresses: dict[Name, tuple[IPAddress, ...]] = {}
        self._terms: dict[Name, Terms] = {}
        self._use: dict[IPAddress, Tenancy] = {}
        self._barred: Mapping[IPAddress, str] = {}
        self._clean: frozenset[IPAddress] = frozenset()
        self._preferred: dict[tuple[str, Family], list[int]] = {}
        self._rests = Rests()

    # --- Pools ---

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
        self._openings = {(name, family): Openings() for name in self._pools for family in FAMILIES}
        self._enter_all()
        self._order_preferred()
        return True

    def pool_of(self, address: IPAddress) -> Pool | None:
        """The pool that ``address`` is of, if any."""
        return self._index.pool_of(address)

    def counts(self, pool: str) -> PoolStatus:
        """How many addresses of ``pool`` are held and free, and which rest. Raises ``KeyError`` for an unknown pool."""
        free = self._free[pool]
        rests = (self._rests.get(address) for address in free.resting())
        return PoolStatus(
            assigned_ipv4=free.in_use(4),
            assigned_ipv6=free.in_use(6),
            available_ipv4=free.available(4),
            available_ipv6=free.available(6),
            resting=tuple(resting for resting in rests if resting is not None),
        )

    def usage(self, pool: str, family: Family) -> tuple[int, int, int]:
        """How many addresses of ``family`` are in ``pool``, how many are held, and how many could be given out."""
        free = self._free[pool]
        return free.total(family), free.in_use(family), free.available(family)

    # --- Holders ---

    def hold(self, service: Name, addresses: Sequence[IPAddress], terms: Terms = ALONE) -> tuple[IPAddress, ...]:
        """Let ``service`` hold exactly ``addresses``, on ``terms``; returns those that others may get because of it.

        What it held already keeps its place in line.
        """
        before, now = self._addresses.get(service, ()), tuple(dict.fromkeys(addresses))
        if before == now and self._terms.get(service, terms) == terms:
            return ()
        for address in now:
            self._enter(service, address, terms)
        if now:
            self._addresses[service], self._terms[service] = now, terms
        else:
            self._addresses.pop(service, None)
            self._terms.pop(service, None)
        left = [address for address in before if address not in now]
        for address in left:
            self._leave(service, address)
        return tuple(one for one in before if (one in left and self.is_free(one)) or self._is_shared(one))

    def rivals(self, terms: Terms, address: IPAddress) -> tuple[Name, ...]:
        """Who uses ``address`` by right and does not let anybody else have it on ``terms``."""
        tenancy = self._use.get(address)
        return tenancy.rivals(terms) if tenancy else ()

    def is_unread(self, service: Name) -> bool:
        """Whether ``service`` holds what it holds on terms that nobody could read."""
        return self._terms.get(service, ALONE).unread

    def put_first(self, service: Name, terms: Terms, address: IPAddress) -> tuple[Name, ...]:
        """Let ``service`` have ``address``, which others hold, by right; returns those who lose theirs to it."""
        ousted = self._use[address].give_way_to(service, terms, address)
        self._mark(address)
        return ousted

    def release(self, service: Name) -> tuple[IPAddress, ...]:
        """Let ``service`` hold nothing; returns the addresses that others may get because of it."""
        return self.hold(service, ())

    def addresses_of(self, service: Name) -> tuple[IPAddress, ...]:
        """The addresses that ``service`` holds."""
        return self._addresses.get(service, ())

    def services(self) -> tuple[Name, ...]:
        """Every Service that holds an address."""
        return tuple(self._addresses)

    def holders(self, address: IPAddress) -> tuple[Name, ...]:
        """Who holds ``address``, by right and first come first."""
        tenancy = self._use.get(address)
        return tenancy.everybody() if tenancy else ()

    def others_hold(self, service: Name, address: IPAddress) -> bool:
        """Whether anybody but ``service`` holds ``address``."""
        tenancy = self._use.get(address)
        return tenancy is not None and not tenancy.is_only(service)

    def is_free(self, address: IPAddress) -> bool:
        """Whether nobody holds ``address``."""
        return address not in self._use

    def refusal(self, service: Name, terms: Terms, address: IPAddress) -> str:
        """Why those who hold ``address`` do not let ``service`` have it too, in MetalLB's words; empty if they do."""
        tenancy = self._use.get(address)
        return tenancy.refusal(service, terms, address) if tenancy else ""

    # --- Addresses to hand out ---

    def first_fit(self, pool: str, family: Family, terms: Terms, *, rested: bool = False) -> IPAddress | None:
        """The first address of ``pool`` that is free or may be shared on ``terms``; of the free ones a preferred one.

        With ``rested``, if there is none, the resting one that has rested longest.
        """
        free = self._free[pool]
        first = self._first_preferred(pool, family) or free.first_free(family)
        shared = self._openings[pool, family].lowest(terms)
        if shared is not None and (first is None or shared < free.number_of(first)):
            return free.address_at(family, shared)
        return free.longest_rested(family) if first is None and rested else first

    def prefer(self, addresses: frozenset[IPAddress]) -> None:
        """Hand out free ones of ``addresses`` before others; what is free and what is not stays as it is."""
        if addresses != self._clean:
            self._clean = addresses
            self._order_preferred()

    def _order_preferred(self) -> None:
        self._preferred = {}
        for address in self._clean:
            pool = self.pool_of(address)
            if pool is not None:
                numbers = self._preferred.setdefault((pool.name.name, address.version), [])
                numbers.append(self._free[pool.name.name].number_of(address))
        for numbers in self._preferred.values():
            numbers.sort()

    def _first_preferred(self, pool: str, family: Family) -> IPAddress | None:
        free = self._free[pool]
        numbers = (one for one in self._preferred.get((pool, family), ()) if free.is_free(family, one))
        return next((free.address_at(family, one) for one in numbers), None)

    # --- Addresses that are kept back ---

    def bar(self, barred: Mapping[IPAddress, str]) -> frozenset[IPAddress]:
        """Make ``barred`` the addresses that are never handed out, and why; returns those that this concerns anew."""
        changed = frozenset(barred.keys() ^ self._barred.keys())
        self._barred = barred
        for address in changed:
            self._mark(address)
        return changed

    def barred(self, address: IPAddress) -> str:
        """Why ``address`` is never handed out; empty if it is."""
        return self._barred.get(address, "")

    def opening(self, address: IPAddress) -> Opening | None:
        """How one more may have ``address``: ``None`` if it is barred, of no pool, or its holders do not share it."""
        pool, tenancy = self.pool_of(address), self._use.get(address)
        if pool is None or address in self._barred or (tenancy is not None and tenancy.together is None):
            return None
        return Opening(address, pool.name.name, tenancy.together if tenancy else None)

    def barred_in_pools(self) -> Mapping[str, tuple[IPAddress, ...]]:
        """The barred addresses by the pool that has them."""
        found: dict[str, list[IPAddress]] = {}
        for address in self._barred:
            pool = self.pool_of(address)
            if pool is not None:
                found.setdefault(pool.name.name, []).append(address)
        return {name: tuple(addresses) for name, addresses in found.items()}

    def rest(self, resting: Resting) -> None:
        """Let an address rest that nobody holds; if somebody does, it needs no rest."""
        if self.is_free(resting.address):
            self._rests.begin(resting)
            self._mark(resting.address)

    def rests_of(self, service: Name) -> tuple[IPAddress, ...]:
        """The addresses that rest for ``service``."""
        return self._rests.of(service)

    def next_rest_end(self) -> int | None:
        """When the next rest ends (seconds since 1970)."""
        return self._rests.next_end()

    def end_rests(self, now: float) -> None:
        """End the rests that are over."""
        for address in self._rests.over(now):
            self._rests.end(address)
            self._mark(address)

    # --- Keeping the free lists in step ---

    def _enter(self, service: Name, address: IPAddress, terms: Terms) -> None:
        if address not in self._use:
            self._use[address] = Tenancy()
            self._rests.end(address)
        self._mark(address, self._use[address].enter(service, terms, address))

    def _leave(self, service: Name, address: IPAddress) -> None:
        ports = self._use[address].leave(service, address)
        if not self._use[address].tenants:
            del self._use[address]
        self._mark(address, ports)

    def _is_shared(self, address: IPAddress) -> bool:
        tenancy = self._use.get(address)
        return tenancy is not None and tenancy.together is not None

    def _enter_all(self) -> None:
        """Tell new free lists of everything that is not simply free."""
        resting = [one.address for one in self._rests]
        for address in dict.fromkeys((*self._use, *self._barred, *resting)):
            self._mark(address)

    def _mark(self, address: IPAddress, ports: Iterable[PortKey] | None = None) -> None:
        """Make the free list of ``address`` say what these books say; ``ports`` are those that may have changed."""
        pool = self._index.pool_of(address)
        if pool is None:
            return
        name, tenancy, barred = pool.name.name, self._use.get(address), address in self._barred
        self._free[name].set(address, taken=tenancy is not None, barred=barred, rests=self._rests.get(address))
        openings = self._openings[name, address.version]
        openings.changed(self._free[name].number_of(address), None if barred else tenancy, ports)

"""The rules of allocation once more, written to be read and not to be fast: every address of every pool is looked at.

It shares nothing with ``metalev.decide`` but the model. ``World.expected`` tells what a Service should hold, given what
all of them hold now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from msgspec import Struct
from msgspec.structs import replace

from metalev.model.address import Family, IPAddress, address_of
from metalev.model.meta import Name
from metalev.model.pools import Pool, Resting
from metalev.model.services import FamilyPolicy, Service, TrafficPolicy

Held = tuple[IPAddress, ...]


class World(Struct):
    """Everything that the rules depend on; the status of a Service says what it holds."""

    services: dict[Name, Service]
    pools: list[Pool]
    barred: set[IPAddress]
    rests: dict[IPAddress, Resting]
    unread: bool = False
    """Something cannot be read, so what is in no pool may be in one all the same."""

    def expected(self, service: Service) -> Held:
        """What ``service`` should hold."""
        if service.type != "LoadBalancer" or not (self.pools or (self.unread and service.status.addresses)):
            return ()
        service = replace(service, families=tuple(dict.fromkeys(service.families)))
        held = tuple(one for one in service.status.addresses if one.version in service.families)
        if held and not self.may_stay(service, held):
            alone = [one for family in service.families for one in held if one.version == family]
            held = next(((one,) for one in alone if self.may_stay(service, [one])), ())
        wish = _wish(service)
        if wish is None or (service.family_policy is FamilyPolicy.REQUIRE and len(service.families) < 2):
            return held
        if held and wish in {(), held, held[::-1]} and _pool_wish(service) in {"", self.pool_name(service, held)}:
            completed = self.completed(service, held)
            if completed:
                return completed
        return self.new(service, wish) or held

    def may_stay(self, service: Service, held: Sequence[IPAddress]) -> bool:
        known = [one for one in held if self.is_known(one)]
        if self.unread and len(known) < len(held):
            return (not known or self.allowed(service, known)) and all(self.has_room(service, one) for one in held)
        return self.allowed(service, held)

    def pool_name(self, service: Service, held: Held) -> str:
        return next((self.pool_of(one).name.name for one in held if self.is_known(one)), service.status.pool)

    def is_known(self, address: IPAddress) -> bool:
        return any(address in self.all_of(pool) for pool in self.pools)

    def allowed(self, service: Service, addresses: Sequence[IPAddress]) -> bool:
        pools = [pool for pool in self.pools if all(address in self.all_of(pool) for address in addresses)]
        return bool(pools) and _is_for(pools[0], service) and all(self.has_room(service, one) for one in addresses)

    def has_room(self, service: Service, address: IPAddress) -> bool:
        others = [one for one in self.holders(address) if one.name != service.name]
        return all(_agree(service, other) for other in others)

    def completed(self, service: Service, held: Held) -> Held:
        missing = [family for family in service.families if family not in {one.version for one in held}]
        if not missing:
            return held
        if not self.is_known(held[0]):
            return held
        pool = self.pool_of(held[0])
        extra = self.own(service, pool, missing[0]) or self.fit(service, pool, missing[0], rested=True)
        if extra:
            return (*held, extra)
        return held if service.family_policy is FamilyPolicy.PREFER else ()

    def new(self, service: Service, wish: Held) -> Held:
        named = _pool_wish(service)
        if wish:
            free = not any(one in self.barred for one in wish) and self.allowed(service, wish)
            return wish if free and named in {"", self.pool_of(wish[0]).name.name} else ()
        if named:
            pools = [pool for pool in self.pools if pool.name.name == named]
            found = self.best(service, [pools])
            return found if found and self.allowed(service, found) else ()
        automatic = [pool for pool in self.pools if pool.auto_assign]
        pinned = [pool for pool in automatic if pool.allocation and _is_for(pool, service)]
        pinned.sort(key=lambda pool: (pool.allocation and pool.allocation.priority) or 1000)
        return self.best(service, [pinned, [pool for pool in automatic if not pool.allocation]])

    def best(self, service: Service, groups: Sequence[Sequence[Pool]]) -> Held:
        one_will_do = service.family_policy is FamilyPolicy.PREFER and len(service.families) == 2
        for pool in (pool for group in groups for pool in group):
            own = [self.own(service, pool, family) for family in service.families]
            filled = [
                mine or self.fit(service, pool, family, rested=True)
                for mine, family in zip(own, service.families, strict=True)
            ]
            if any(own) and (all(filled) or one_will_do):
                return tuple(one for one in filled if one)
        for group in groups:
            for families in [service.families, *((one,) for one in service.families if one_will_do)]:
                for rested in (False, True):
                    for pool in group:
                        found = [self.fit(service, pool, family, rested=rested) for family in families]
                        if all(found):
                            return tuple(one for one in found if one)
        return ()

    def own(self, service: Service, pool: Pool, family: Family) -> IPAddress | None:
        mine = [one for one in self.rests.values() if one.service == service.name and one.address.version == family]
        mine = [one for one in mine if one.address in self.all_of(pool) and one.address not in self.barred]
        mine.sort(key=lambda one: (-one.until, int(one.address)))
        return mine[0].address if mine else None

    def fit(self, service: Service, pool: Pool, family: Family, *, rested: bool) -> IPAddress | None:
        addresses = [one for one in self.all_of(pool) if one.version == family and one not in self.barred]
        for address in addresses:
            holders = self.holders(address)
            if (holders and all(_agree(service, one) for one in holders)) or not (holders or address in self.rests):
                return address
        resting = [address for address in addresses if address in self.rests] if rested else []
        return min(resting, key=lambda one: (self.rests[one].until, addresses.index(one)), default=None)

    def holders(self, address: IPAddress) -> list[Service]:
        return [one for one in self.services.values() if address in one.status.addresses]

    def pool_of(self, address: IPAddress) -> Pool:
        return next(pool for pool in self.pools if address in self.all_of(pool))

    def all_of(self, pool: Pool) -> list[IPAddress]:
        """Its addresses but for those that a pool before it has."""
        earlier = {address for one in self.pools[: self.pools.index(pool)] for address in _every(one)}
        return [address for address in _every(pool) if address not in earlier]


def _every(pool: Pool) -> Iterator[IPAddress]:
    for one in pool.ranges:
        for value in range(one.first, one.last + 1):
            if not (pool.avoid_buggy_ips and one.family == 4 and value % 256 in {0, 255}):
                yield address_of(one.family, value)


def _wish(service: Service) -> Held | None:
    """The addresses that it names; ``None`` if it can never have them."""
    text = service.annotations.get("metallb.io/loadBalancerIPs", "")
    if not text:
        return ()
    try:
        wish = tuple(ip_address(part) for part in text.split(","))
    except ValueError:
        return None
    fits = sorted(one.version for one in wish) == sorted(service.families)
    return wish if fits else None


def _pool_wish(service: Service) -> str:
    return service.annotations.get("metallb.io/address-pool", "")


def _is_for(pool: Pool, service: Service) -> bool:
    return (
        pool.allocation is None
        or not pool.allocation.namespaces
        or service.name.namespace in pool.allocation.namespaces
    )


def _agree(one: Service, other: Service) -> bool:
    """Whether two Services may have one address; nobody agrees with himself, who has it already."""
    key = one.annotations.get("metallb.io/allow-shared-ip")
    if one.name == other.name or not key or key != other.annotations.get("metallb.io/allow-shared-ip"):
        return False
    if {(port.protocol, port.port) for port in one.ports} & {(port.protocol, port.port) for port in other.ports}:
        return False
    local = [each.traffic_policy is TrafficPolicy.LOCAL for each in (one, other)]
    return not any(local) or (all(local) and one.selector == other.selector)

"""The rules of allocation once more, written to be read and not to be fast: every address of every pool is looked at.

It shares nothing with ``metalev.decide`` but the model. ``World.expected`` tells what a Service should hold, given what
all of them hold now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from ipaddress import ip_address

from msgspec import Struct
from msgspec.structs import replace

from metalev.model.address import Family, IPAddress, address_of
from metalev.model.meta import Labels, LabelSelector, Name, Operator
from metalev.model.pools import Pool, Resting
from metalev.model.services import FamilyPolicy, Service, ServiceStatus, TrafficPolicy
from metalev.model.snapshot import Snapshot

Held = tuple[IPAddress, ...]


class World(Struct):
    """Everything that the rules depend on; the status of a Service says what it holds."""

    services: dict[Name, Service]
    pools: list[Pool]
    barred: set[IPAddress]
    rests: dict[IPAddress, Resting]
    unread: bool = False
    """Something cannot be read, so what is in no pool may be in one all the same."""
    namespaces: dict[str, Labels] = {}
    clean: Collection[IPAddress] = ()
    """Nobody answered for these, so that they are given first."""
    found_in_use: dict[IPAddress, str] = {}
    """Somebody else has these; how that came out."""
    lately: dict[IPAddress, Name] = {}
    """To whom these were given within the last two minutes, by the controller that runs."""

    def expected(self, service: Service, *, replacing: bool = True) -> Held:
        """What ``service`` should hold, if it is looked at now; without ``replacing``, if nothing is new for it."""
        shown = service.status.addresses
        if service.hidden or is_of_others(service):
            return shown
        if given_up := self.to_give_up(service) if replacing else []:
            left = ServiceStatus(tuple(one for one in shown if one not in given_up))
            found = self.by_the_rules(replace(service, status=left))
            if len(found) == len(shown):
                return found
        return self.by_the_rules(service)

    def to_give_up(self, service: Service) -> list[IPAddress]:
        """Of what it was given just now, what turned out to be somebody else's; once, and only if nobody asked for it.

        What the speaker knew of when it started is left alone.
        """
        wish = _named(service)
        if wish is None or any(one.type == "metalev.io/AddressReplaced" for one in service.status.conditions):
            return []
        return [
            one
            for one in service.status.addresses
            if self.found_in_use.get(one, "held-before") != "held-before"
            and one not in wish
            and self.lately.get(one) == service.name
            and [holder.name for holder in self.holders(one)] == [service.name]
        ]

    def by_the_rules(self, service: Service) -> Held:
        if service.type != "LoadBalancer" or not (self.pools or (self.unread and service.status.addresses)):
            return ()
        service = replace(service, families=tuple(dict.fromkeys(service.families)))
        held = tuple(one for one in service.status.addresses if one.version in service.families)
        shown = [one.version for one in service.status.addresses]
        if len(set(shown)) < len(shown):
            held = ()
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
            may = not known or self.allowed(service, known, holds_it=True)
            return may and all(self.has_room(service, one) for one in held)
        return self.allowed(service, held, holds_it=True)

    def pool_name(self, service: Service, held: Held) -> str:
        return next((self.pool_of(one).name.name for one in held if self.is_known(one)), service.status.pool)

    def is_known(self, address: IPAddress) -> bool:
        return any(address in self.all_of(pool) for pool in self.pools)

    def allowed(self, service: Service, addresses: Sequence[IPAddress], *, holds_it: bool = False) -> bool:
        pools = [pool for pool in self.pools if all(address in self.all_of(pool) for address in addresses)]
        may = bool(pools) and self.is_for(pools[0], service, holds_it=holds_it)
        return may and all(self.has_room(service, one) for one in addresses)

    def is_content(self, service: Service) -> bool:
        """Whether it holds all that it asks for, and may keep it: nobody but its owner or its pool changes that."""
        if service.type != "LoadBalancer" or is_of_others(service):
            return False
        held, wish = service.status.addresses, _wish(service)
        complete = {one.version for one in held} == set(service.families) and len(held) == len(set(service.families))
        right = wish in {(), held, held[::-1]} and _pool_wish(service) in {"", self.pool_name(service, held)}
        return complete and right and not self.to_give_up(service) and self.may_stay(service, held)

    def has_room(self, service: Service, address: IPAddress, *, among: Collection[Name] | None = None) -> bool:
        """Whether all who hold it agree with it; with ``among``, all of those."""
        others = [one for one in self.holders(address) if one.name != service.name]
        others = [one for one in others if among is None or one.name in among]
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
        pinned = [pool for pool in automatic if pool.allocation and self.is_for(pool, service)]
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
        free = [one for one in addresses if one not in self.rests and not self.holders(one)]
        best = [one for one in free if one in self.clean] or free
        for address in addresses:
            holders = self.holders(address)
            if address in best[:1] or (holders and all(_agree(service, one) for one in holders)):
                return address
        resting = [address for address in addresses if address in self.rests] if rested else []
        return min(resting, key=lambda one: (self.rests[one].until, addresses.index(one)), default=None)

    def holders(self, address: IPAddress) -> list[Service]:
        served = (one for one in self.services.values() if not is_of_others(one))
        return [one for one in served if address in one.status.addresses]

    def is_for(self, pool: Pool, service: Service, *, holds_it: bool = False) -> bool:
        """Whether the pool is for it; new labels of a namespace take nothing away."""
        rules = pool.allocation
        if rules is None:
            return True
        labels = {
            "kubernetes.io/metadata.name": service.name.namespace,
            **self.namespaces.get(service.name.namespace, {}),
        }
        of_namespace = service.name.namespace in rules.namespaces or (
            rules.namespace_selectors and (holds_it or any(_chooses(one, labels) for one in rules.namespace_selectors))
        )
        of_labels = any(_chooses(one, service.labels) for one in rules.service_selectors)
        everywhere = not rules.namespaces and not rules.namespace_selectors
        return bool((everywhere or of_namespace) and (of_labels or not rules.service_selectors))

    def pool_of(self, address: IPAddress) -> Pool:
        return next(pool for pool in self.pools if address in self.all_of(pool))

    def all_of(self, pool: Pool) -> list[IPAddress]:
        """Its addresses but for those that a pool before it has."""
        earlier = {address for one in self.pools[: self.pools.index(pool)] for address in _every(one)}
        return [address for address in _every(pool) if address not in earlier]


def world_of(seen: Snapshot, rests: dict[IPAddress, Resting], lately: dict[IPAddress, Name] | None = None) -> World:
    """What the rules depend on, out of a snapshot."""
    states = seen.speakers.values()
    foreign = {ip_address(one.address): one.cause for state in states for one in state.conflicts}
    barred = {address for node in seen.nodes.values() for address in node.addresses} | foreign.keys()
    return World(
        dict(seen.services),
        [seen.pools[name] for name in sorted(seen.pools)],
        barred | {ip_address(text) for state in states for text in state.gateways},
        rests,
        bool(seen.problems),
        namespaces={name.name: one.labels for name, one in seen.namespaces.items()},
        clean={ip_address(text) for state in states for text in state.clean},
        found_in_use=foreign,
        lately=lately or {},
    )


def _every(pool: Pool) -> Iterator[IPAddress]:
    for one in pool.ranges:
        for value in range(one.first, one.last + 1):
            if not (pool.avoid_buggy_ips and one.family == 4 and value % 256 in {0, 255}):
                yield address_of(one.family, value)


def _wish(service: Service) -> Held | None:
    """The addresses that it names; ``None`` if it can never have them."""
    wish = _named(service)
    if not wish:
        return wish
    return wish if sorted(one.version for one in wish) == sorted(service.families) else None


def _named(service: Service) -> Held | None:
    """The addresses that stand in its annotation or its spec; ``None`` if nobody can read them."""
    text, by_spec = _asked(service, "loadBalancerIPs"), service.load_balancer_ip
    if not text and not by_spec:
        return ()
    if (text and by_spec) or "," in by_spec:
        return None
    try:
        return tuple(ip_address(part.strip()) for part in (text or by_spec).split(","))
    except ValueError:
        return None


def _pool_wish(service: Service) -> str:
    return _asked(service, "address-pool")


def _asked(service: Service, what: str) -> str:
    """An annotation in the newer spelling, which wins even when it is empty, else in the older one."""
    spelled = [f"{prefix}/{what}" for prefix in ("metallb.io", "metallb.universe.tf")]
    return next((service.annotations[one] for one in spelled if one in service.annotations), "")


def is_of_others(service: Service) -> bool:
    """Whether it names a class of load balancers, which we were not told to serve."""
    return service.type == "LoadBalancer" and service.load_balancer_class is not None


def _chooses(selector: LabelSelector, labels: Labels) -> bool:
    assert all(one.operator is Operator.NOT_IN for one in selector.match_expressions), "the only one that is drawn"
    equal = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return equal and not any(labels.get(one.key) in one.values for one in selector.match_expressions)


def _agree(one: Service, other: Service) -> bool:
    """Whether two Services may have one address; nobody agrees with himself, who has it already."""
    key = _asked(one, "allow-shared-ip")
    if one.name == other.name or one.hidden or other.hidden or not key or key != _asked(other, "allow-shared-ip"):
        return False
    if {(port.protocol, port.port) for port in one.ports} & {(port.protocol, port.port) for port in other.ports}:
        return False
    local = [each.traffic_policy is TrafficPolicy.LOCAL for each in (one, other)]
    return not any(local) or (all(local) and one.selector == other.selector)

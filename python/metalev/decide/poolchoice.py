"""Which pools a Service may take an address from, and in which order they are tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from metalev.decide.ledger import Ledger
from metalev.decide.sharing import terms_of
from metalev.model.address import Family, IPAddress
from metalev.model.cluster import Namespace
from metalev.model.meta import Labels, Name, any_matches
from metalev.model.pools import Pool
from metalev.model.services import FamilyPolicy, Service

NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server puts it on every namespace; a namespace that nobody described has it too."""

Namespaces = Mapping[Name, Namespace]
Addresses = tuple[IPAddress, ...]


def is_for(pool: Pool, service: Service, namespaces: Namespaces, *, holds_it: bool = False) -> bool:
    """Whether ``pool`` is for ``service`` (``serviceAllocation``).

    A Service that holds an address of it keeps it when its namespace's labels change (MetalLB), but not when the pool's
    own text says otherwise.
    """
    rules = pool.allocation
    if rules is None:
        return True
    if not any_matches(rules.service_selectors, service.labels):
        return False
    if not rules.namespaces and not rules.namespace_selectors:
        return True
    if service.name.namespace in rules.namespaces:
        return True
    if not rules.namespace_selectors:
        return False
    return holds_it or any_matches(rules.namespace_selectors, _labels(service.name.namespace, namespaces))


class Offers:
    """What the pools have for one Service: an address of each of its families, all from one pool.

    Under ``PreferDualStack`` one family will do where no pool has both, the primary one first.
    """

    def __init__(self, service: Service, ledger: Ledger) -> None:
        self._ledger = ledger
        self._families = service.families
        self._terms = terms_of(service)
        self._alone_will_do = service.family_policy is FamilyPolicy.PREFER and len(service.families) > 1
        pools = ((address, ledger.pool_of(address)) for address in ledger.rests_of(service.name))
        self._own = {address: pool.name.name for address, pool in pools if pool}

    def best(self, groups: Iterable[Sequence[Pool]]) -> Addresses:
        """The best offer of the first group of pools that has one, but first of all what rests for this Service."""
        groups = list(groups)
        regained = (self._regained(pool) for pools in groups for pool in pools if pool.name.name in self._own.values())
        chosen = (self._best_of(pools) for pools in groups)
        return next((addresses for addresses in (*regained, *chosen) if addresses), ())

    def one(self, pool: Pool, family: Family) -> IPAddress | None:
        """The address of ``family`` that ``pool`` has: its own of before, a free one, or one that still rests."""
        return self._own_of(pool, family) or self._fit(pool, family, rested=True)

    def _regained(self, pool: Pool) -> Addresses:
        """An offer with an address that it had until now; what rests for others is left to them."""
        found = [self._own_of(pool, family) or self._fit(pool, family, rested=True) for family in self._families]
        addresses = tuple(address for address in found if address is not None)
        enough = len(addresses) == len(self._families) or self._alone_will_do
        return addresses if enough and any(address in self._own for address in addresses) else ()

    def _best_of(self, pools: Sequence[Pool]) -> Addresses:
        """What has rested comes before what still rests, and both families come before one."""
        wanted = [self._families]
        if self._alone_will_do:
            wanted += [(family,) for family in self._families]
        offers = (
            self._all_of(pool, families, rested=rested)
            for families in wanted
            for rested in (False, True)
            for pool in pools
        )
        return next((addresses for addresses in offers if addresses), ())

    def _all_of(self, pool: Pool, families: Sequence[Family], *, rested: bool) -> Addresses:
        addresses = [self._fit(pool, family, rested=rested) for family in families]
        return tuple(one for one in addresses if one is not None) if None not in addresses else ()

    def _fit(self, pool: Pool, family: Family, *, rested: bool) -> IPAddress | None:
        return self._ledger.first_fit(pool.name.name, family, self._terms, rested=rested)

    def _own_of(self, pool: Pool, family: Family) -> IPAddress | None:
        found = (one for one, name in self._own.items() if name == pool.name.name and one.version == family)
        return next((address for address in found if not self._ledger.barred(address)), None)


def automatic(service: Service, ledger: Ledger, namespaces: Namespaces) -> tuple[Sequence[Pool], Sequence[Pool]]:
    """The pools for a Service that names none: those made for such Services by priority, then the general ones by name.

    This is MetalLB's order, but where it leaves the general ones to chance, the same pool for the same question.
    """
    pools = [pool for pool in ledger.pools.values() if pool.auto_assign]
    pinned = [pool for pool in pools if pool.allocation and is_for(pool, service, namespaces)]
    return sorted(pinned, key=_priority), [pool for pool in pools if pool.allocation is None]


def _priority(pool: Pool) -> tuple[bool, int]:
    """Lower first, and 0 (not given) last; sorting is stable, so by name among equals."""
    assert pool.allocation is not None
    return pool.allocation.priority == 0, pool.allocation.priority


def _labels(namespace: str, namespaces: Namespaces) -> Labels:
    known = namespaces.get(Name("", namespace))
    return {NAME_LABEL: namespace, **(known.labels if known else {})}

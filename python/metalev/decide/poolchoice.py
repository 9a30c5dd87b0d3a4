"""Which pools a Service may take an address from, and in which order they are tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from metalev.decide.ledger import Ledger
from metalev.model.address import IPAddress
from metalev.model.cluster import Namespace
from metalev.model.meta import Labels, Name, any_matches
from metalev.model.pools import Pool
from metalev.model.services import Service

NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server puts it on every namespace; a namespace that nobody described has it too."""

Namespaces = Mapping[Name, Namespace]


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


def best_offer(service: Service, ledger: Ledger, namespaces: Namespaces) -> tuple[IPAddress, ...]:
    """The addresses for a Service that names neither addresses nor a pool; none if there are none.

    First the pools made for such Services, by priority, then the general ones by name: MetalLB's order, but where it
    leaves the general ones to chance, the same pool for the same question.
    """
    automatic = [pool for pool in ledger.pools.values() if pool.auto_assign]
    pinned = [pool for pool in automatic if pool.allocation and is_for(pool, service, namespaces)]
    general = [pool for pool in automatic if pool.allocation is None]
    return _best(service, ledger, sorted(pinned, key=_priority)) or _best(service, ledger, general)


def offer(service: Service, ledger: Ledger, pool: Pool) -> tuple[IPAddress, ...]:
    """The addresses that ``pool`` has for ``service``: one of each of its families, or those that there are."""
    free = (ledger.first_free(pool.name.name, family) for family in service.families)
    return tuple(address for address in free if address is not None)


def _best(service: Service, ledger: Ledger, pools: Iterable[Pool]) -> tuple[IPAddress, ...]:
    """The first offer with every family, else the first with the primary one, else the first at all."""
    offers = []
    for pool in pools:
        addresses = offer(service, ledger, pool)
        if len(addresses) == len(service.families):
            return addresses
        if addresses:
            offers.append(addresses)
    primary = [addresses for addresses in offers if addresses[0].version == service.families[0]]
    return next(iter(primary + offers), ())


def _priority(pool: Pool) -> tuple[bool, int]:
    """Lower first, and 0 (not given) last; sorting is stable, so by name among equals."""
    assert pool.allocation is not None
    return pool.allocation.priority == 0, pool.allocation.priority


def _labels(namespace: str, namespaces: Namespaces) -> Labels:
    known = namespaces.get(Name("", namespace))
    return {NAME_LABEL: namespace, **(known.labels if known else {})}

"""Pools of addresses and who announces them: the ``metallb.io`` resources."""

from __future__ import annotations

from msgspec import Struct

from metalev.model.address import AddressRange, IPAddress
from metalev.model.meta import LabelSelector, Name, ObjectKey


class ServiceAllocation(Struct, frozen=True):
    """Which Services a pool is for. A lower ``priority`` is tried first; 0 means last (MetalLB)."""

    priority: int = 0
    namespaces: tuple[str, ...] = ()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


class Pool(Struct, frozen=True):
    """An ``IPAddressPool``; ``ranges`` in the order of its ``spec.addresses``.

    ``source`` is the object that gives it if it is no IPAddressPool of its own: what is told about it is told there.
    """

    name: Name
    version: str = ""
    ranges: tuple[AddressRange, ...] = ()
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    allocation: ServiceAllocation | None = None
    labels: dict[str, str] = {}
    source: ObjectKey | None = None

    def __contains__(self, address: IPAddress) -> bool:
        return any(address in addresses for addresses in self.ranges)


class Resting(Struct, frozen=True):
    """A released address that others get last ``until`` then (seconds since 1970); ``service`` gets it back before."""

    address: IPAddress
    service: Name
    until: int


class PoolStatus(Struct, frozen=True):
    """How many of a pool's addresses are held and free (``IPAddressPool.status``), and which of these rest."""

    assigned_ipv4: int = 0
    assigned_ipv6: int = 0
    available_ipv4: int = 0
    available_ipv6: int = 0
    resting: tuple[Resting, ...] = ()


PREEMPT_ANNOTATION = "metalev.io/preempt"
"""Of an L2Advertisement: when its addresses go back to a better candidate (``Preempt``)."""


class Preference(Struct, frozen=True):
    """Adds ``weight`` (1..100) to the score of the nodes that ``selector`` matches."""

    weight: int
    selector: LabelSelector


class L2Advertisement(Struct, frozen=True):
    """Which pools are announced by ARP and NDP, from which nodes and interfaces, for which Services.

    Every list is a set of alternatives; an empty one means all. ``preempt`` is what its annotation says of moves back.
    """

    name: Name
    version: str = ""
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()
    preferences: tuple[Preference, ...] = ()
    preempt: str = ""

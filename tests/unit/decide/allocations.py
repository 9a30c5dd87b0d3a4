"""A Service, some pools and the decision: what the tests of allocation say it with."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from metalev.decide.allocation import decide_addresses
from metalev.decide.ledger import Ledger
from metalev.decide.outcome import Allocation, Outcome
from metalev.model.address import AddressRange, Family
from metalev.model.cluster import Namespace
from metalev.model.meta import Name
from metalev.model.pools import Pool, ServiceAllocation
from metalev.model.services import FamilyPolicy, Service, ServiceStatus

IPS = "metallb.io/loadBalancerIPs"
POOL = "metallb.io/address-pool"
OTHER = Name("shop", "other")


def pool(
    name: str, *ranges: str, auto: bool = True, buggy: bool = False, rules: ServiceAllocation | None = None
) -> Pool:
    parsed = tuple(AddressRange.parse(text) for text in ranges)
    return Pool(Name("metallb-system", name), ranges=parsed, auto_assign=auto, avoid_buggy_ips=buggy, allocation=rules)


def service(
    *held: str,
    wish: str = "",
    families: tuple[Family, ...] = (4,),
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    kind: str = "LoadBalancer",
    lb_class: str | None = None,
    policy: FamilyPolicy = FamilyPolicy.SINGLE,
) -> Service:
    return Service(
        Name("shop", "web"),
        type=kind,
        families=families,
        family_policy=policy,
        load_balancer_ip=wish,
        load_balancer_class=lb_class,
        annotations=annotations or {},
        labels=labels or {},
        status=ServiceStatus(tuple(ip_address(text) for text in held)),
    )


def ledger(*pools: Pool, taken: str = "", by: Name = OTHER) -> Ledger:
    books = Ledger()
    books.set_pools(pools or (pool("main", "10.0.0.0/30", "2001:db8::/126"),))
    books.hold(by, tuple(ip_address(text) for text in taken.split()))
    return books


def decide(subject: Service, books: Ledger | None = None, **labels: str) -> Allocation:
    namespaces = {Name("", "shop"): Namespace(Name("", "shop"), labels=labels)}
    return decide_addresses(subject, books or ledger(), namespaces)


def given(allocation: Allocation) -> list[str]:
    return [str(address) for address in allocation.addresses]


def told(allocation: Allocation) -> list[str]:
    return [f"{event.type} {event.reason} {event.message}" for event in allocation.events]


def complaint(allocation: Allocation) -> str:
    """MetalLB's words for why a Service is left without an address, without its beginning and what metalev adds."""
    assert allocation.outcome is Outcome.PENDING
    assert allocation.addresses == ()
    assert allocation.condition is not None
    message = allocation.condition.message.removeprefix('Failed to allocate IP for "shop/web": ')
    return message.partition(" (")[0] if message.startswith("no available IPs") else message

"""Why no pool has an address for a Service: which pools, what they lack, and what to do."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.allocations import POOL, decide, ledger, pool, service

from metalev.decide.ledger import Ledger
from metalev.decide.words import quoted_list
from metalev.model.pools import ServiceAllocation
from metalev.model.services import FamilyPolicy, Service, ServiceStatus

FOR_BANK = ServiceAllocation(namespaces=("bank",))
TO_DO = "; make a pool larger, or free an address)"


def shortage(subject: Service, books: Ledger) -> str:
    """What follows MetalLB's words in the condition and, the same, in the event."""
    allocation = decide(subject, books)
    assert allocation.condition is not None
    kept = [f"Assigned IP {quoted_list(allocation.addresses)}"] if allocation.addresses else []
    assert "; ".join([*kept, *(event.message for event in allocation.events)]) == allocation.condition.message
    return allocation.condition.message.partition(" (")[2]


def test_an_exhausted_pool_is_named_with_its_size() -> None:
    books = ledger(pool("a", "10.0.0.0/31"), taken="10.0.0.0 10.0.0.1")
    assert shortage(service(), books) == 'pool "a" has none left of its 2 IPv4 addresses' + TO_DO
    assert shortage(service(annotations={POOL: "a"}), books) == 'pool "a" has none left of its 2 IPv4 addresses' + TO_DO


def test_addresses_that_the_network_uses_are_not_left_either() -> None:
    books = ledger(pool("a", "10.0.0.0/31"), taken="10.0.0.0")
    books.bar({ip_address("10.0.0.1"): "of a node"})
    assert shortage(service(), books) == 'pool "a" has none left of its 2 IPv4 addresses' + TO_DO


def test_the_family_that_is_lacking_is_named() -> None:
    books = ledger(pool("a", "10.0.0.0/31"))
    assert shortage(service(families=(4, 6)), books) == 'pool "a" has no IPv6 addresses' + TO_DO


def test_for_two_families_at_once_it_is_pairs_that_are_lacking() -> None:
    books = ledger(pool("a", "10.0.0.0/31", "fd00::/127"), taken="10.0.0.0 10.0.0.1")
    assert (
        shortage(service(families=(4, 6)), books)
        == 'pool "a" has no pair left of its 2 IPv4 and 2 IPv6 addresses' + TO_DO
    )


def test_of_many_exhausted_pools_a_few_are_named() -> None:
    books = ledger(*(pool(name, f"10.0.0.{number}/32") for number, name in enumerate("abcde")))
    books.hold(service().name, ())
    for number in range(5):
        books.hold(pool(str(number)).name, [ip_address(f"10.0.0.{number}")])
    said = shortage(service(), books)
    assert 'pool "c" has none left' in said
    assert said.endswith("addresses; and 2 more" + TO_DO)


def test_pools_that_are_not_for_the_service_are_named_with_the_reason() -> None:
    books = ledger(pool("bank", "10.0.0.0/30", rules=FOR_BANK), pool("spare", "10.0.1.0/30", auto=False))
    assert shortage(service(), books) == (
        'no pool is for this Service: the serviceAllocation of "bank" is for others; '
        '"spare" has autoAssign: false, so the Service has to ask for it by metallb.io/address-pool)'
    )


def test_who_keeps_one_address_of_two_is_told_the_same_as_one_who_has_none() -> None:
    subject = service("10.0.0.0", families=(4, 6), policy=FamilyPolicy.REQUIRE)
    subject = replace(subject, cluster_ips=(ip_address("10.96.0.1"), ip_address("fd00::1")))
    books = ledger(pool("a", "10.0.0.0/32", "2001:db8::/128"), taken="2001:db8::")
    books.hold(subject.name, subject.status.addresses)
    said = shortage(subject, books)
    assert said == 'pool "a" has no pair left of its 1 IPv4 and 1 IPv6 addresses' + TO_DO
    books.release(subject.name)
    assert shortage(replace(subject, status=ServiceStatus()), books) == said


def test_a_family_that_a_pool_does_not_have_is_all_that_is_said_of_it() -> None:
    books = ledger(pool("a", "10.0.0.0/32"), taken="10.0.0.0")
    assert shortage(service(families=(4, 6)), books) == 'pool "a" has no IPv6 addresses' + TO_DO

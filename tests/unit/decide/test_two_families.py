"""Services of two families: both addresses from one pool, and what PreferDualStack forgives (MetalLB's policies)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from tests.unit.decide.allocations import OTHER, complaint, decide, given, ledger, pool, service, told

from metalev.decide.ledger import Ledger
from metalev.decide.outcome import Outcome
from metalev.decide.waiting import Want
from metalev.model.address import Family
from metalev.model.meta import Name
from metalev.model.pools import Pool, Resting
from metalev.model.services import FamilyPolicy, Service

V4_ONLY, V6_ONLY, BOTH = pool("a", "10.0.0.0/30"), pool("b", "2001:db8::/126"), pool("c", "10.0.2.0/30", "fd00::/126")
NO_SECOND = "cannot assign additional IP in PreferDualStack: no available IPs in pool a"


def prefers(*held: str, families: tuple[Family, ...] = (4, 6)) -> Service:
    return service(*held, families=families, policy=FamilyPolicy.PREFER)


def requires(*held: str) -> Service:
    return service(*held, families=(4, 6), policy=FamilyPolicy.REQUIRE)


def holding(subject: Service, *pools: Pool) -> Ledger:
    books = ledger(*pools)
    books.hold(subject.name, subject.status.addresses)
    return books


def test_a_pool_with_both_families_is_preferred() -> None:
    assert given(decide(prefers(), ledger(V4_ONLY, V6_ONLY, BOTH))) == ["10.0.2.0", "fd00::"]


def test_without_such_a_pool_the_primary_family_is_given_and_the_lack_is_told() -> None:
    allocation = decide(prefers(), ledger(V4_ONLY, V6_ONLY))
    assert given(allocation) == ["10.0.0.0"]
    assert told(allocation) == [
        'Normal IPAllocated Assigned IP ["10.0.0.0"]',
        f"Normal AdditionalAssignFailed {NO_SECOND}",
    ]
    assert allocation.condition is not None
    assert allocation.condition.message == f'Assigned IP ["10.0.0.0"]; {NO_SECOND}'


def test_the_first_of_the_families_is_the_primary_one() -> None:
    assert given(decide(prefers(families=(6, 4)), ledger(V4_ONLY, V6_ONLY))) == ["2001:db8::"]


def test_the_secondary_family_is_better_than_none() -> None:
    assert given(decide(prefers(), ledger(V6_ONLY))) == ["2001:db8::"]


def test_who_requires_both_gets_both_or_none() -> None:
    assert complaint(decide(requires(), ledger(V4_ONLY, V6_ONLY))) == "no available IPs"
    assert given(decide(requires(), ledger(V4_ONLY, V6_ONLY, BOTH))) == ["10.0.2.0", "fd00::"]


def test_two_cluster_ips_without_a_policy_require_both_as_in_metallb() -> None:
    assert complaint(decide(service(families=(4, 6)), ledger(V4_ONLY))) == "no available IPs"


def test_who_requires_both_with_one_cluster_ip_is_told_so() -> None:
    allocation = decide(service(policy=FamilyPolicy.REQUIRE))
    assert allocation.outcome is Outcome.PENDING
    assert told(allocation) == [
        "Warning not enough clusterips Service requires dual stack but not enough clusterips []"
    ]


def test_who_comes_to_require_both_with_one_cluster_ip_keeps_what_it_has_and_is_told_so() -> None:
    subject = service("10.0.0.2", policy=FamilyPolicy.REQUIRE)
    allocation = decide(subject, holding(subject, BOTH, V4_ONLY))
    assert (allocation.outcome, given(allocation)) == (Outcome.KEPT, ["10.0.0.2"])
    message = "Service requires dual stack but not enough clusterips []"
    assert told(allocation) == [f"Warning not enough clusterips {message}"]
    assert allocation.condition is not None
    assert (allocation.condition.reason, allocation.condition.message) == (
        "NotEnoughClusterIPs",
        f'Assigned IP ["10.0.0.2"]; {message}',
    )


def test_who_requires_both_with_one_cluster_ip_keeps_no_address_that_is_not_allowed() -> None:
    subject = service("10.9.9.9", policy=FamilyPolicy.REQUIRE)
    allocation = decide(subject, holding(subject, V4_ONLY))
    assert (allocation.outcome, given(allocation)) == (Outcome.PENDING, [])


def test_one_cluster_ip_means_one_address_whatever_is_preferred() -> None:
    assert given(decide(prefers(families=(4,)), ledger(BOTH))) == ["10.0.2.0"]


def test_the_second_address_comes_when_the_pool_has_it() -> None:
    subject = prefers("10.0.0.2")
    allocation = decide(subject, holding(subject, pool("a", "10.0.0.0/30", "fd00::/126")))
    assert (allocation.outcome, given(allocation)) == (Outcome.ASSIGNED, ["10.0.0.2", "fd00::"])
    assert told(allocation) == ['Normal IPAllocated Assigned additional IP "fd00::"']


def test_a_service_with_one_address_does_not_jump_to_a_pool_with_both() -> None:
    subject = prefers("10.0.0.2")
    allocation = decide(subject, holding(subject, V4_ONLY, BOTH))
    assert (allocation.outcome, given(allocation)) == (Outcome.KEPT, ["10.0.0.2"])
    assert allocation.want == Want(families=(6,), pool="a")


def test_one_address_is_kept_with_the_words_with_which_it_was_given() -> None:
    assigned = decide(prefers(), ledger(V4_ONLY))
    subject = prefers(*given(assigned))
    assert decide(subject, holding(subject, V4_ONLY)).condition == assigned.condition


def test_who_comes_to_require_both_is_completed_or_moved() -> None:
    subject = requires("10.0.0.2")
    completed = decide(subject, holding(subject, pool("a", "10.0.0.0/30", "fd00::/126")))
    assert given(completed) == ["10.0.0.2", "fd00::"]
    assert given(decide(subject, holding(subject, V4_ONLY, BOTH))) == ["10.0.2.0", "fd00::"]


def test_who_comes_to_prefer_both_keeps_what_it_has_and_gets_one_where_both_were_not_to_be_had() -> None:
    subject = prefers("10.0.2.1", "fd00::1")
    allocation = decide(subject, holding(subject, BOTH))
    assert (allocation.outcome, given(allocation), told(allocation)) == (Outcome.KEPT, ["10.0.2.1", "fd00::1"], [])
    assert complaint(decide(requires(), ledger(V4_ONLY))) == "no available IPs"
    assert given(decide(prefers(), ledger(V4_ONLY))) == ["10.0.0.0"]


def test_who_has_one_cluster_ip_less_keeps_the_address_that_fits() -> None:
    subject = service("10.0.2.1", "fd00::1", families=(6,))
    assert given(decide(subject, holding(subject, BOTH))) == ["fd00::1"]


def test_a_pool_that_loses_a_family_leaves_the_other() -> None:
    subject = prefers("10.0.0.2", "fd00::1")
    allocation = decide(subject, holding(subject, V4_ONLY))
    assert given(allocation) == ["10.0.0.2"]
    assert "ClearAssignment" in told(allocation)[0]


def test_addresses_of_two_pools_are_not_kept_together() -> None:
    subject = requires("10.0.0.2", "2001:db8::1")
    assert given(decide(subject, holding(subject, V4_ONLY, V6_ONLY, BOTH))) == ["10.0.2.0", "fd00::"]


def test_two_addresses_of_one_family_in_the_status_are_named() -> None:
    subject = service("10.0.0.1", "10.0.0.2")
    message = 'Failed to retrieve LBIPs IPFamily for ["10.0.0.1" "10.0.0.2"]: '
    message += 'IPFamilyForAddresses: same address family ["10.0.0.1" "10.0.0.2"]'
    assert told(decide(subject, holding(subject)))[0] == f"Warning nolbIPsIPFamily {message}"


def with_two_cluster_ips_of_one_family(*held: str) -> Service:
    return Service(
        Name("shop", "web"),
        type="LoadBalancer",
        families=(4, 4),
        cluster_ips=(ip_address("10.96.0.1"), ip_address("10.96.0.2")),
        status=service(*held).status,
    )


ONE_FAMILY_TWICE = (
    'Warning noclusterIPsIPFamily Failed to retrieve ClusterIPs IPFamily for ["10.96.0.1" "10.96.0.2"] 10.96.0.1: '
    'IPFamilyForAddresses: same address family ["10.96.0.1" "10.96.0.2"]'
)


def test_cluster_ips_of_one_family_twice_are_named() -> None:
    allocation = decide(with_two_cluster_ips_of_one_family())
    assert (given(allocation), told(allocation)) == ([], [ONE_FAMILY_TWICE])


def test_who_comes_to_have_two_cluster_ips_of_one_family_keeps_its_address() -> None:
    subject = with_two_cluster_ips_of_one_family("10.0.0.2")
    allocation = decide(subject, holding(subject))
    assert (allocation.outcome, given(allocation)) == (Outcome.KEPT, ["10.0.0.2"])
    assert told(allocation) == [ONE_FAMILY_TWICE]


@pytest.mark.parametrize("policy", FamilyPolicy)
@pytest.mark.parametrize("held", [(), ("10.0.0.0",)])
def test_a_family_that_is_named_twice_counts_once(policy: FamilyPolicy, held: tuple[str, ...]) -> None:
    twice, once = (service(*held, families=families, policy=policy) for families in ((4, 4), (4,)))
    assert decide(twice, holding(twice, V4_ONLY)) == decide(once, holding(once, V4_ONLY))


@pytest.mark.parametrize(("families", "kept"), [((4, 6), ["10.0.0.1"]), ((6, 4), ["2001:db8::1"])])
def test_of_two_addresses_that_may_not_both_stay_the_one_of_the_primary_family_stays(
    families: tuple[Family, ...], kept: list[str]
) -> None:
    subject = prefers("10.0.0.1", "2001:db8::1", families=families)
    assert given(decide(subject, holding(subject, V4_ONLY, V6_ONLY))) == kept


def resting(text: str) -> Ledger:
    """Books of a pool ``a`` with one address of each family and of ``c``, where an address rests for ``web``."""
    books = ledger(pool("a", "10.0.0.0/32", "2001:db8::/128"), BOTH)
    books.rest(Resting(ip_address(text), Name("shop", "web"), 60))
    return books


def test_both_families_that_still_rest_come_before_one_that_does_not() -> None:
    books = ledger(pool("a", "10.0.0.0/32", "2001:db8::/128"))
    books.rest(Resting(ip_address("2001:db8::"), OTHER, 60))
    assert given(decide(prefers(), books)) == ["10.0.0.0", "2001:db8::"]


def test_the_second_family_comes_from_the_pool_of_the_first_though_another_one_rests_for_the_service() -> None:
    books = resting("fd00::2")
    subject = prefers("10.0.0.0")
    books.hold(subject.name, subject.status.addresses)
    assert given(decide(subject, books)) == ["10.0.0.0", "2001:db8::"]


def test_an_address_that_rests_for_the_service_and_is_in_use_by_the_network_is_not_had_back() -> None:
    books = resting("10.0.2.1")
    assert given(decide(service(), books)) == ["10.0.2.1"]
    books.bar({ip_address("10.0.2.1"): "of a node"})
    assert given(decide(service(), books)) == ["10.0.0.0"]


def test_an_address_of_a_family_that_it_wants_no_more_leads_a_service_to_no_pool() -> None:
    assert given(decide(service(), resting("fd00::2"))) == ["10.0.0.0"]

"""Which address a Service gets that has none, in MetalLB's order and words."""

from __future__ import annotations

import pytest
from tests.unit.decide.allocations import POOL, complaint, decide, given, ledger, pool, service, told

from metalev.decide.allocation import decide_addresses
from metalev.decide.ledger import Ledger
from metalev.decide.outcome import CONDITION, Allocation, Outcome
from metalev.model.services import ConditionStatus


def test_a_service_of_another_type_is_cleared_without_a_word() -> None:
    assert decide(service("10.0.0.1", kind="ClusterIP")) == Allocation(Outcome.CLEARED)


@pytest.mark.parametrize(("asked", "served"), [("kube-vip", None), (None, "metalev"), ("kube-vip", "metalev")])
def test_a_service_of_another_class_is_not_ours(asked: str | None, served: str | None) -> None:
    outcome = decide_addresses(service(lb_class=asked), ledger(), {}, lb_class=served).outcome
    assert outcome is Outcome.NOT_OURS


def test_a_service_of_our_class_is_served() -> None:
    assert given(decide_addresses(service(lb_class="metalev"), ledger(), {}, lb_class="metalev")) == ["10.0.0.0"]


def test_without_pools_the_service_is_told_so() -> None:
    allocation = decide(service("10.0.0.1"), Ledger())
    assert complaint(allocation) == "no IPAddressPool is defined, so there is no address to give: create one"
    assert allocation.events[0].reason == "NoPools"


def test_a_headless_service_gets_no_address() -> None:
    assert complaint(decide(service(families=()))) == ("the Service has no ClusterIP, so an address would lead nowhere")


def test_an_exhausted_pool_is_named_as_the_reason() -> None:
    allocation = decide(service(), ledger(pool("a", "10.0.0.0/32"), taken="10.0.0.0"))
    assert allocation.outcome is Outcome.PENDING
    words = 'Failed to allocate IP for "shop/web": no available IPs '
    words += '(pool "a" has none left of its 1 IPv4 addresses; make a pool larger, or free an address)'
    assert told(allocation) == [f"Warning AllocationFailed {words}"]
    assert allocation.condition is not None
    assert (allocation.condition.type, allocation.condition.status) == (CONDITION, ConditionStatus.FALSE)
    assert (allocation.condition.reason, allocation.condition.message) == (
        allocation.events[0].reason,
        allocation.events[0].message,
    )


def test_the_first_free_address_is_assigned() -> None:
    allocation = decide(service(), ledger(taken="10.0.0.0"))
    assert (allocation.outcome, given(allocation), allocation.pool) == (Outcome.ASSIGNED, ["10.0.0.1"], "main")
    assert told(allocation) == ['Normal IPAllocated Assigned IP ["10.0.0.1"]']
    assert allocation.condition is not None
    assert allocation.condition.status is ConditionStatus.TRUE
    assert allocation.condition.message == 'Assigned IP ["10.0.0.1"]'


def test_deciding_changes_nothing() -> None:
    books = ledger()
    assert decide(service(), books) == decide(service(), books)


def test_an_ipv6_service_gets_an_ipv6_address() -> None:
    assert given(decide(service(families=(6,)))) == ["2001:db8::"]


def test_a_dual_stack_service_gets_both_from_one_pool_primary_first() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30", "2001:db8::/126"))
    allocation = decide(service(families=(6, 4)), books)
    assert (given(allocation), allocation.pool) == (["2001:db8::", "10.0.1.0"], "b")
    assert told(allocation) == ['Normal IPAllocated Assigned IP ["2001:db8::" "10.0.1.0"]']


def test_general_pools_are_tried_by_name() -> None:
    books = ledger(pool("b", "10.0.0.0/30"), pool("a", "10.0.1.0/30"))
    assert decide(service(), books).pool == "a"


def test_a_full_pool_is_followed_by_the_next() -> None:
    books = ledger(pool("a", "10.0.0.0/32"), pool("b", "10.0.1.0/30"), taken="10.0.0.0")
    assert decide(service(), books).pool == "b"


def test_a_pool_without_auto_assign_is_left_alone() -> None:
    assert complaint(decide(service(), ledger(pool("a", "10.0.0.0/30", auto=False)))) == "no available IPs"


def test_buggy_addresses_are_not_assigned() -> None:
    assert given(decide(service(), ledger(pool("a", "10.0.0.0/30", buggy=True)))) == ["10.0.0.1"]


def test_a_pool_may_be_asked_for_by_its_name_in_the_old_config_map() -> None:
    pools = ledger(pool("a", "10.0.0.0/30"), pool("my-pool", "10.0.1.0/30"))
    assert given(decide(service(annotations={POOL: "My_Pool"}), pools)) == ["10.0.1.0"]


def test_a_pool_that_is_there_under_the_name_that_is_asked_for_is_the_one_that_is_meant() -> None:
    long = "a" * 64  # by its old name it would have been cut
    pools = ledger(pool(long[1:], "10.0.0.0/30"), pool(long, "10.0.1.0/30"))
    assert given(decide(service(annotations={POOL: long}), pools)) == ["10.0.1.0"]


def test_who_asks_by_the_old_name_of_the_pool_keeps_the_address_that_it_has_of_it() -> None:
    subject = service("10.0.1.2", annotations={POOL: "My_Pool"})
    allocation = decide(subject, ledger(pool("my-pool", "10.0.1.0/30"), taken="10.0.1.2", by=subject.name))
    assert (allocation.outcome, given(allocation)) == (Outcome.KEPT, ["10.0.1.2"])


def test_a_pool_that_is_there_under_no_name_is_named_as_it_was_asked_for() -> None:
    assert complaint(decide(service(annotations={POOL: "Your_Pool"}))) == 'unknown pool "Your_Pool"'

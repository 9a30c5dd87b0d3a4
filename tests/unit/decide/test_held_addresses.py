"""A Service keeps what it holds, as long as it may."""

from __future__ import annotations

from ipaddress import ip_address

from tests.unit.decide.allocations import IPS, OTHER, POOL, complaint, decide, given, ledger, pool, service, told

from metalev.decide.allocation import decide_addresses
from metalev.decide.ledger import Ledger
from metalev.decide.outcome import Outcome
from metalev.model.meta import LabelSelector, Name
from metalev.model.pools import Pool, ServiceAllocation
from metalev.model.services import Service


def held_by_us(*pools: Pool, taken: str = "10.0.0.2") -> Ledger:
    return ledger(*pools, taken=taken, by=Name("shop", "web"))


def test_an_allowed_address_is_kept() -> None:
    allocation = decide(service("10.0.0.2"), held_by_us())
    assert (allocation.outcome, given(allocation), allocation.pool) == (Outcome.KEPT, ["10.0.0.2"], "main")
    assert told(allocation) == []
    assert allocation.condition is not None
    assert allocation.condition.message == 'Assigned IP ["10.0.0.2"]'


def test_a_kept_address_reads_as_when_it_was_assigned() -> None:
    assigned = decide(service())
    books = ledger()
    books.hold(Name("shop", "web"), assigned.addresses)
    assert decide(service(*given(assigned)), books).condition == assigned.condition


def test_a_held_address_is_kept_in_a_pool_that_does_not_assign_by_itself() -> None:
    books = held_by_us(pool("a", "10.0.0.0/30", auto=False))
    assert decide(service("10.0.0.2"), books).outcome is Outcome.KEPT


def test_an_address_that_left_the_pool_is_replaced_and_both_are_said() -> None:
    allocation = decide(service("10.9.9.9"), held_by_us(taken="10.9.9.9"))
    assert (allocation.outcome, given(allocation)) == (Outcome.ASSIGNED, ["10.0.0.0"])
    assert told(allocation) == [
        (
            'Normal ClearAssignment current IP for "shop/web" not allowed by config, '
            'will attempt for new IP assignment: ["10.9.9.9"] is not allowed in config'
        ),
        'Normal IPAllocated Assigned IP ["10.0.0.0"]',
    ]


def test_of_two_holders_the_first_keeps_the_address() -> None:
    books = ledger(taken="10.0.0.2")
    books.hold(Name("shop", "web"), (ip_address("10.0.0.2"),))
    late = decide(service("10.0.0.2"), books)
    assert given(late) == ["10.0.0.0"]
    assert "address also in use by shop/other" in told(late)[0]
    first = decide_addresses(Service(OTHER, type="LoadBalancer", status=service("10.0.0.2").status), books, {})
    assert first.outcome is Outcome.KEPT


def test_an_address_of_the_wrong_family_is_replaced() -> None:
    assert given(decide(service("2001:db8::1"), held_by_us(taken="2001:db8::1"))) == ["10.0.0.0"]


def test_two_addresses_of_one_family_are_replaced() -> None:
    books = held_by_us(taken="10.0.0.1 10.0.0.2")
    assert given(decide(service("10.0.0.1", "10.0.0.2"), books)) == ["10.0.0.0"]


def test_naming_another_pool_moves_the_service() -> None:
    books = held_by_us(pool("main", "10.0.0.0/30"), pool("b", "10.0.1.0/30"))
    assert given(decide(service("10.0.0.2", annotations={POOL: "b"}), books)) == ["10.0.1.0"]


def test_wishing_another_address_moves_the_service() -> None:
    assert given(decide(service("10.0.0.2", wish="10.0.0.3"), held_by_us())) == ["10.0.0.3"]


def test_wishing_what_is_held_changes_nothing_whatever_the_order() -> None:
    books = held_by_us(taken="10.0.0.2 2001:db8::2")
    wishing = service("10.0.0.2", "2001:db8::2", annotations={IPS: "2001:db8::2,10.0.0.2"}, families=(4, 6))
    allocation = decide(wishing, books)
    assert (allocation.outcome, given(allocation)) == (Outcome.KEPT, ["10.0.0.2", "2001:db8::2"])


def test_new_labels_of_the_namespace_take_nothing_away() -> None:
    rules = ServiceAllocation(namespace_selectors=(LabelSelector({"team": "red"}),))
    books = held_by_us(pool("a", "10.0.0.0/30", rules=rules))
    assert decide(service("10.0.0.2"), books, team="blue").outcome is Outcome.KEPT


def test_a_pool_that_is_given_to_others_takes_its_address_away() -> None:
    allocation = decide(
        service("10.0.0.2"), held_by_us(pool("a", "10.0.0.0/30", rules=ServiceAllocation(namespaces=("bank",))))
    )
    assert complaint(allocation) == "no available IPs"
    assert "pool a not compatible for ip assignment" in told(allocation)[0]


def test_the_reason_is_the_same_before_and_after_the_address_is_gone() -> None:
    for_bank = pool("a", "10.0.0.0/32", rules=ServiceAllocation(namespaces=("bank",)))
    before = decide(service("10.0.0.0", annotations={POOL: "a"}), held_by_us(for_bank, taken="10.0.0.0"))
    after = decide(service(annotations={POOL: "a"}), ledger(for_bank))
    assert complaint(before) == complaint(after) == "pool a not compatible for ip assignment"

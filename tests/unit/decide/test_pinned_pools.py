"""Pools that are for some Services only."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.decide.allocations import POOL, complaint, decide, ledger, pool, service

from metalev.decide.allocation import decide_addresses
from metalev.decide.outcome import Outcome
from metalev.model.meta import Expression, LabelSelector, Name, Operator
from metalev.model.pools import ServiceAllocation

FOR_SHOP = ServiceAllocation(namespaces=("shop",))
FOR_BANK = ServiceAllocation(namespaces=("bank",))


def test_a_pinned_pool_comes_before_the_general_ones() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("z", "10.0.1.0/30", rules=FOR_SHOP))
    assert decide(service(), books).pool == "z"


def test_a_full_pinned_pool_is_followed_by_the_general_ones() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("z", "10.0.1.0/32", rules=FOR_SHOP), taken="10.0.1.0")
    assert decide(service(), books).pool == "a"


def test_a_pool_for_others_is_left_alone() -> None:
    assert complaint(decide(service(), ledger(pool("a", "10.0.0.0/30", rules=FOR_BANK)))) == "no available IPs"


def test_a_lower_priority_is_tried_first_and_none_last() -> None:
    books = ledger(
        pool("a", "10.0.0.0/32", rules=ServiceAllocation(priority=0)),
        pool("b", "10.0.1.0/32", rules=ServiceAllocation(priority=20)),
        pool("c", "10.0.2.0/32", rules=ServiceAllocation(priority=10)),
    )
    order = []
    for number in range(3):
        allocation = decide(service(), books)
        books.hold(Name("shop", str(number)), allocation.addresses)
        order.append(allocation.pool)
    assert order == ["c", "b", "a"]


@pytest.mark.parametrize(("team", "expected"), [("red", Outcome.ASSIGNED), ("blue", Outcome.PENDING)])
def test_namespaces_are_chosen_by_their_labels(team: str, expected: Outcome) -> None:
    rules = ServiceAllocation(namespaces=("bank",), namespace_selectors=(LabelSelector({"team": "red"}),))
    assert decide(service(), ledger(pool("a", "10.0.0.0/30", rules=rules)), team=team).outcome is expected


def test_a_namespace_is_found_by_the_label_of_its_name() -> None:
    named = LabelSelector({"kubernetes.io/metadata.name": "shop"})
    books = ledger(pool("a", "10.0.0.0/30", rules=ServiceAllocation(namespace_selectors=(named,))))
    assert decide_addresses(service(), books, {}).outcome is Outcome.ASSIGNED


@pytest.mark.parametrize(("tier", "expected"), [("web", Outcome.ASSIGNED), ("db", Outcome.PENDING)])
def test_services_are_chosen_by_labels_and_namespace_together(tier: str, expected: Outcome) -> None:
    chosen = LabelSelector(match_expressions=(Expression("tier", Operator.IN, ("web", "api")),))
    rules = ServiceAllocation(namespaces=("shop",), service_selectors=(chosen,))
    books = ledger(pool("a", "10.0.0.0/30", rules=rules))
    assert decide(service(labels={"tier": tier}), books).outcome is expected


def test_a_pinned_pool_that_does_not_assign_by_itself_is_left_alone_until_it_is_asked_for() -> None:
    books = ledger(pool("a", "10.0.0.0/30", auto=False, rules=FOR_SHOP))
    assert complaint(decide(service(), books)) == "no available IPs"
    assert decide(service(annotations={POOL: "a"}), books).pool == "a"


RED = LabelSelector({"team": "red"})
WEB, API = LabelSelector({"tier": "web"}), LabelSelector({"tier": "api"})


@pytest.mark.parametrize(
    "rules",
    [
        ServiceAllocation(namespaces=("shop",), namespace_selectors=(RED,)),
        ServiceAllocation(namespaces=("bank",), namespace_selectors=(LabelSelector({"team": "blue"}),)),
    ],
)
def test_a_namespace_that_is_named_or_chosen_is_enough(rules: ServiceAllocation) -> None:
    books = ledger(pool("a", "10.0.0.0/30", rules=rules))
    assert decide(service(), books, team="blue").outcome is Outcome.ASSIGNED


@pytest.mark.parametrize("selectors", [(WEB, API), (API, WEB)])
def test_service_selectors_are_alternatives(selectors: tuple[LabelSelector, ...]) -> None:
    books = ledger(pool("a", "10.0.0.0/30", rules=ServiceAllocation(service_selectors=selectors)))
    assert decide(service(labels={"tier": "web"}), books).outcome is Outcome.ASSIGNED
    assert decide(service(labels={"tier": "db"}), books).outcome is Outcome.PENDING


@pytest.mark.parametrize("selectors", [(RED, LabelSelector({"team": "blue"})), (LabelSelector({"team": "blue"}), RED)])
def test_namespace_selectors_are_alternatives(selectors: tuple[LabelSelector, ...]) -> None:
    books = ledger(pool("a", "10.0.0.0/30", rules=ServiceAllocation(namespace_selectors=selectors)))
    assert decide(service(), books, team="red").outcome is Outcome.ASSIGNED
    assert decide(service(), books, team="green").outcome is Outcome.PENDING


@pytest.mark.parametrize(
    "foreign", [ServiceAllocation(namespaces=("bank",)), ServiceAllocation(namespace_selectors=(RED,))]
)
def test_labels_alone_are_not_enough_in_a_foreign_namespace(foreign: ServiceAllocation) -> None:
    books = ledger(pool("a", "10.0.0.0/30", rules=replace(foreign, service_selectors=(WEB,))))
    assert decide(service(labels={"tier": "web"}), books, team="blue").outcome is Outcome.PENDING

"""What becomes of each kind of wish: one table here and in the documents, a row a case."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.decide.allocations import IPS, OTHER, POOL, given, pool, service
from tests.unit.docs.markdown import DOCS, tables

from metalev.decide.allocation import decide_addresses
from metalev.decide.ledger import Ledger
from metalev.decide.outcome import Allocation, Outcome
from metalev.decide.sharing import Terms, terms_of
from metalev.decide.words import quoted_list
from metalev.model.pools import Resting, ServiceAllocation
from metalev.model.services import FamilyPolicy, Port, Service

SHARE = "metallb.io/allow-shared-ip"
UNMET = {"AllocationFailed", "LoadBalancerFailed", "AdditionalAssignFailed"}
HELD, HELD_TOO, NOT_ALLOWED = "10.0.0.9", "fd00::9", "10.9.9.8"

WISHES: dict[str, Service] = {
    "nothing": service(),
    "an address that is free": service(wish="10.0.0.2"),
    "an address that rests": service(wish="10.0.0.4"),
    "an address that it may share": service(annotations={IPS: "10.0.0.5", SHARE: "k"}),
    "a pair of addresses that are free": service(annotations={IPS: "10.0.0.2,fd00::2"}, families=(4, 6)),
    "a pool that has one free": service(annotations={POOL: "second"}),
    "something that is no address": service(wish="please"),
    "an annotation that is no address": service(annotations={IPS: "please"}),
    "addresses both ways at once": service(wish="10.0.0.2", annotations={IPS: "10.0.0.2"}),
    "an address of a family that it has not": service(wish="1000::1"),
    "one address for two families": service(wish="10.0.0.2", families=(4, 6)),
    "two addresses of one family": service(annotations={IPS: "10.0.0.1,10.0.0.2"}),
    "more than two addresses": service(annotations={IPS: "10.0.0.1,10.0.0.2,1000::1"}),
    "an address that somebody else has": service(wish="10.0.0.3"),
    "a pair of which somebody else has one": service(annotations={IPS: "10.0.0.3,fd00::2"}, families=(4, 6)),
    "a pair out of two pools": service(annotations={IPS: "10.0.0.2,fd00:1::1"}, families=(4, 6)),
    "a shared address whose port is taken": service(annotations={IPS: "10.0.0.6", SHARE: "k"}),
    "an address outside every pool": service(wish="10.9.9.9"),
    "an address that its pool avoids": service(wish="10.0.4.0"),
    "an address of a node": service(wish="10.0.0.7"),
    "an address of a pool for others": service(wish="10.0.2.1"),
    "an address of another pool than it names": service(wish="10.0.0.2", annotations={POOL: "second"}),
    "a pool that does not exist": service(annotations={POOL: "nowhere"}),
    "a pool that is full": service(annotations={POOL: "tiny"}),
    "a pool for others": service(annotations={POOL: "bank"}),
    "both families, which its pool has": service(families=(4, 6), policy=FamilyPolicy.REQUIRE),
    "both families of a pool that has one": service(
        families=(4, 6), policy=FamilyPolicy.REQUIRE, annotations={POOL: "second-v4"}
    ),
    "both families, if need be one": service(
        families=(4, 6), policy=FamilyPolicy.PREFER, annotations={POOL: "second-v4"}
    ),
}
ONE_OF_TWO = {
    wish: (HELD if "its pool" in wish else "10.0.5.1",) for wish in WISHES if wish.startswith("both families")
}


def books() -> Ledger:
    made = Ledger()
    made.set_pools(
        [
            pool("buggy", "10.0.4.0/30", buggy=True),
            pool("main", "10.0.0.0/28", "fd00::/124"),
            pool("second", "10.0.1.0/30", "fd00:1::/126"),
            pool("bank", "10.0.2.0/30", rules=ServiceAllocation(namespaces=("bank",))),
            pool("tiny", "10.0.3.0/32"),
            pool("second-v4", "10.0.5.0/30"),
        ]
    )
    made.hold(OTHER, (ip_address("10.0.0.3"), ip_address("10.0.3.0")))
    for number, port in ((5, 53), (6, 80)):
        sharer = replace(OTHER, name=f"sharer-{number}")
        made.hold(sharer, (ip_address(f"10.0.0.{number}"),), Terms("k", ports=(("TCP", port),)))
    made.bar({ip_address("10.0.0.7"): 'of node "a"'})
    made.rest(Resting(ip_address("10.0.0.4"), OTHER, 60))
    return made


def row(wish: str, *held: str) -> tuple[Allocation, str]:
    """The decision and the event that stands for it."""
    subject = replace(WISHES[wish], ports=(Port("TCP", 80),), status=service(*held).status)
    ledger = books()
    ledger.hold(subject.name, subject.status.addresses, terms_of(subject))
    allocation = decide_addresses(subject, ledger, {})
    return allocation, allocation.events[-1].reason if allocation.events else ""


def held_by(wish: str) -> tuple[str, ...]:
    """What a Service with this wish holds in the column of those who hold something."""
    return ONE_OF_TWO.get(wish) or ((HELD, HELD_TOO) if len(WISHES[wish].families) == 2 else (HELD,))


def in_words(wish: str) -> list[str]:
    without, event_without = row(wish)
    having, event_having = row(wish, *held_by(wish))
    names_it = wish.startswith(("an address", "a pair"))
    gets = "gets it" if names_it else "gets one" if len(without.addresses) == 1 else "gets them"
    got = "none" if without.outcome is Outcome.PENDING else gets
    return [wish, got, event_without, _kept(given(having), [*held_by(wish)]), event_having]


def _kept(having: list[str], held: list[str]) -> str:
    assert having
    if having == held:
        return "keeps it"
    return "keeps it, gets the other" if set(held) < set(having) else "moves"


def test_the_table_in_the_documents_says_what_is_done() -> None:
    (path,) = (one for one in DOCS if one.name == "addresses.md")
    rows = tables(path, "the Service asks for", "holds none")
    documented = [[cell.strip("`") for cell in cells] for cells in rows]
    assert documented == [in_words(wish) for wish in WISHES]


@pytest.mark.parametrize("wish", WISHES)
def test_an_allowed_address_is_never_lost_to_a_new_wish(wish: str) -> None:
    having, _ = row(wish, *held_by(wish))
    without, _ = row(wish)
    met = wish != "nothing" and wish not in ONE_OF_TWO and given(without)
    assert met or set(held_by(wish)) <= set(given(having))
    assert not met or given(having) == met


@pytest.mark.parametrize("wish", WISHES)
def test_who_holds_what_is_not_allowed_any_more_loses_it_first_and_then_fares_as_one_that_holds_none(wish: str) -> None:
    having, _ = row(wish, NOT_ALLOWED)
    without, _ = row(wish)
    assert (having.outcome, given(having), having.condition) == (without.outcome, given(without), without.condition)
    assert [event.reason for event in having.events] == ["ClearAssignment", *(one.reason for one in without.events)]


@pytest.mark.parametrize("wish", WISHES)
def test_a_wish_that_is_not_met_stands_in_the_condition_and_is_told_once(wish: str) -> None:
    having, _ = row(wish, *held_by(wish))
    assert having.condition is not None
    told = [event.message for event in having.events if event.reason in UNMET]
    assert len(told) == (having.condition.reason != "IPAllocated")
    assert having.condition.message == "; ".join([f"Assigned IP {quoted_list(having.addresses)}", *told])

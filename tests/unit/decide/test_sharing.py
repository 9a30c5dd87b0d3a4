"""Several Services on one address: the same key, no port twice, and the same pods where the node of a pod matters."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.decide.allocations import IPS, complaint, given, ledger, pool, service, told

from metalev.decide.allocation import decide_addresses
from metalev.decide.ledger import ALONE, Ledger
from metalev.decide.outcome import Allocation
from metalev.decide.rooms import PortKey
from metalev.decide.sharing import Openings, Tenancy, Terms, terms_of
from metalev.model.meta import Name
from metalev.model.services import Port, Service, TrafficPolicy

SHARE = "metallb.io/allow-shared-ip"
OLD_SHARE = "metallb.universe.tf/allow-shared-ip"
A = ip_address("10.0.0.0")


def sharer(
    name: str,
    *held: str,
    key: str = "k",
    port: int = 80,
    wish: str = "",
    local: str = "",
    spelling: str = SHARE,
) -> Service:
    """A Service of one port; ``local`` is the label of its pods under externalTrafficPolicy Local."""
    annotations = {spelling: key} if key else {}
    return replace(
        service(*held, annotations=annotations | ({IPS: wish} if wish else {})),
        name=Name("shop", name),
        ports=(Port("TCP", port),),
        selector={"app": local},
        traffic_policy=TrafficPolicy.LOCAL if local else TrafficPolicy.CLUSTER,
    )


def books(*holders: Service) -> Ledger:
    made = ledger(pool("main", "10.0.0.0/30"))
    for one in holders:
        made.hold(one.name, one.status.addresses, terms_of(one))
    return made


def ask(subject: Service, *holders: Service) -> Allocation:
    return decide_addresses(subject, books(*holders, subject), {})


HOLDER = sharer("holder", str(A))


def test_the_same_key_and_another_port_share_the_first_address() -> None:
    assert given(ask(sharer("web", port=81), HOLDER)) == [str(A)]


def test_the_older_spelling_of_the_key_counts_too() -> None:
    assert given(ask(sharer("web", port=81, spelling=OLD_SHARE), HOLDER)) == [str(A)]


def test_the_same_port_of_another_protocol_is_no_clash() -> None:
    dns = replace(sharer("dns"), ports=(Port("UDP", 80),))
    assert given(ask(dns, HOLDER)) == [str(A)]


@pytest.mark.parametrize(
    "other",
    [
        sharer("web", port=80),
        sharer("web", port=81, key="l"),
        sharer("web", port=81, key=""),
        sharer("web", port=81, local="x"),
    ],
    ids=["the port", "the key", "no key", "the traffic policy"],
)
def test_who_does_not_agree_gets_an_address_of_its_own(other: Service) -> None:
    assert given(ask(other, HOLDER)) == ["10.0.0.1"]


def test_under_the_policy_local_the_pods_have_to_be_the_same() -> None:
    holder = sharer("holder", str(A), local="x")
    assert given(ask(sharer("web", port=81, local="x"), holder)) == [str(A)]
    assert given(ask(sharer("web", port=81, local="y"), holder)) == ["10.0.0.1"]
    refused = complaint(ask(sharer("web", port=81, local="y", wish=str(A)), holder))
    assert refused.endswith('can\'t change sharing key for "shop/web", address also in use by shop/holder')


def test_sharing_is_opportunistic_the_first_address_that_passes_is_taken() -> None:
    assert given(ask(sharer("web", port=81), sharer("holder", "10.0.0.2"))) == ["10.0.0.0"]


def test_another_namespace_may_share() -> None:
    other = replace(sharer("web", port=81), name=Name("bank", "web"))
    assert given(ask(other, HOLDER)) == [str(A)]


def test_a_clash_of_keys_and_one_of_ports_are_told_in_metallbs_words() -> None:
    other_key = 'can\'t change sharing key for "shop/web", address also in use by shop/holder'
    strip = 'Failed to allocate IP for "shop/web": '
    assert complaint(ask(sharer("web", key="l", wish=str(A)), HOLDER)).removeprefix(strip) == other_key
    assert complaint(ask(sharer("web", wish=str(A)), HOLDER)).removeprefix(strip) == (
        'port TCP/80 is already in use on "10.0.0.0"'
    )


def test_who_alone_has_an_address_may_change_its_key() -> None:
    made, changed = books(HOLDER), sharer("holder", str(A), key="l")
    assert given(decide_addresses(changed, made, {})) == [str(A)]
    made.hold(changed.name, changed.status.addresses, terms_of(changed))
    assert given(decide_addresses(sharer("web", port=81, key="l"), made, {})) == [str(A)]
    assert given(decide_addresses(sharer("web", port=81), made, {})) == ["10.0.0.1"]


def test_who_changes_its_key_among_others_loses_the_address() -> None:
    made = books(HOLDER, sharer("web", str(A), port=81))
    changed = sharer("web", str(A), port=81, key="l")
    made.hold(changed.name, changed.status.addresses, terms_of(changed))
    allocation = decide_addresses(changed, made, {})
    assert given(allocation) == ["10.0.0.1"]
    assert "ClearAssignment" in told(allocation)[0]
    stayed = decide_addresses(HOLDER, made, {})
    assert given(stayed) == [str(A)]


def test_a_change_of_the_traffic_policy_can_cost_the_address() -> None:
    made = books(HOLDER, sharer("web", str(A), port=81))
    changed = sharer("web", str(A), port=81, local="x")
    made.hold(changed.name, changed.status.addresses, terms_of(changed))
    assert given(decide_addresses(changed, made, {})) == ["10.0.0.1"]


def test_a_shared_address_is_free_when_the_last_one_leaves() -> None:
    made = books(HOLDER, sharer("web", str(A), port=81))
    made.release(HOLDER.name)
    assert made.first_fit("main", 4, ALONE) == ip_address("10.0.0.1")
    assert made.release(Name("shop", "web")) == (A,)
    assert made.first_fit("main", 4, ALONE) == A


def test_who_stays_on_a_shared_address_lets_others_have_what_one_who_leaves_had() -> None:
    made = books(HOLDER, sharer("web", str(A), port=81))
    assert made.release(HOLDER.name) == (A,)
    assert made.refusal(Name("shop", "new"), terms_of(sharer("new", port=80)), A) == ""


def test_a_barred_address_is_not_shared_any_further() -> None:
    made = books(HOLDER)
    made.bar({A: "of a node"})
    assert made.first_fit("main", 4, terms_of(sharer("web", port=81))) == ip_address("10.0.0.1")
    made.bar({})
    assert made.first_fit("main", 4, terms_of(sharer("web", port=81))) == A


def test_when_the_tenants_leave_the_next_in_line_may_stay() -> None:
    tenancy = Tenancy()
    first, second, third = (Name("shop", one) for one in "abc")
    for name, key in ((first, "k"), (second, "l"), (third, "l")):
        tenancy.enter(name, Terms(key, ports=(("TCP", len(tenancy.everybody())),)), A)
    assert (list(tenancy.tenants), list(tenancy.intruders)) == ([first], [second, third])
    assert set(tenancy.leave(first, A)) == {("TCP", 0), ("TCP", 1), ("TCP", 2)}
    assert (list(tenancy.tenants), set(tenancy.ports)) == ([second, third], {("TCP", 1), ("TCP", 2)})


def test_who_is_the_only_one_on_an_address_is_known_be_it_by_right_or_not() -> None:
    tenancy, (first, second) = Tenancy(), (Name("shop", one) for one in "ab")
    tenancy.enter(first, Terms("k"), A)
    assert (tenancy.is_only(first), tenancy.is_only(second)) == (True, False)
    tenancy.enter(second, Terms("l"), A)
    assert (tenancy.is_only(first), tenancy.is_only(second)) == (False, False)
    tenancy.leave(first, A)
    assert (tenancy.is_only(first), tenancy.is_only(second)) == (False, True)


PORTS = st.frozensets(st.sampled_from([80, 81, 82]), min_size=1, max_size=2)
DEEDS = st.sampled_from(["enter", "enter", "enter", "leave", "leave", "come first", "barred", "as it is"])
STEPS = st.tuples(st.integers(0, 4), st.sampled_from("abcdef"), st.sampled_from(["", "k", "l"]), PORTS, DEEDS)


@given_values(st.lists(STEPS, max_size=40))
def test_the_lowest_address_with_room_is_the_one_that_a_search_finds(
    steps: list[tuple[int, str, str, frozenset[int], str]],
) -> None:
    openings, uses, barred = Openings(), {number: Tenancy() for number in range(5)}, set[int]()
    for number, name, key, ports, deed in steps:
        service_name, address = Name("shop", name), ip_address(number)
        terms = Terms(key, ports=tuple(("TCP", port) for port in sorted(ports)))
        touched: tuple[PortKey, ...] | None = None
        if deed == "leave":
            touched = uses[number].leave(service_name, address)
        elif deed == "enter":
            touched = uses[number].enter(service_name, terms, address)
        elif deed == "come first":
            uses[number].give_way_to(service_name, terms, address)
        barred = barred - {number} if deed != "barred" else barred | {number}
        openings.changed(number, uses[number] if uses[number].everybody() and number not in barred else None, touched)
        for asked in (Terms("k", ports=(("TCP", 80),)), Terms("l", ports=(("TCP", 81), ("TCP", 82))), Terms()):
            fits = (one for one, use in uses.items() if use.tenants and not use.refusal(Name("", "new"), asked, A))
            assert openings.lowest(asked) == next((one for one in fits if one not in barred), None)


def test_nothing_is_kept_of_a_key_when_the_last_one_who_shares_under_it_has_left() -> None:
    made = books(HOLDER, sharer("web", str(A), port=81), sharer("dns", "10.0.0.1"))
    for name in ("holder", "web", "dns"):
        made.release(Name("shop", name))
    openings = made._openings["main", 4]
    assert (openings._rooms, openings._key_of, made._use) == ({}, {}, {})

"""Who uses one address, on which terms, and what is open to others then."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.allocations import complaint, given
from tests.unit.decide.test_sharing import HOLDER, ask, books, sharer

from metalev.decide.allocation import decide_addresses
from metalev.decide.ledger import Ledger
from metalev.decide.sharing import Tenancy, Terms, terms_of
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.services import Port, Service

A, B = ip_address("10.0.0.0"), ip_address("10.0.0.1")
ONE, OTHER, THIRD = (Name("shop", text) for text in ("one", "other", "third"))


def terms(*ports: int, key: str = "k") -> Terms:
    return Terms(key, ports=tuple(("TCP", port) for port in ports))


def tenancy(**each: Terms) -> Tenancy:
    made = Tenancy()
    for text, one in each.items():
        made.enter(Name("shop", text), one, A)
    return made


def with_ports(service: Service, *ports: int) -> Service:
    return replace(service, ports=tuple(Port("TCP", port) for port in ports))


def first_fit(made: Ledger, *ports: int) -> IPAddress | None:
    """The address that a newcomer under the same key gets for ``ports``."""
    return made.first_fit("main", 4, terms(*ports))


# --- Terms ---


def test_under_the_policy_cluster_the_pods_may_be_others() -> None:
    other = replace(sharer("web", port=81), selector={"app": "other"})
    assert given(ask(other, HOLDER)) == [str(A)]


def test_in_which_order_labels_are_written_does_not_matter() -> None:
    one, other = sharer("holder", str(A), local="x"), sharer("web", port=81, local="x")
    one = replace(one, selector={"app": "x", "tier": "y"})
    assert given(ask(replace(other, selector={"tier": "y", "app": "x"}), one)) == [str(A)]


def test_a_port_that_stands_twice_is_one() -> None:
    twice = with_ports(sharer("web"), 80, 80)
    assert terms_of(twice).ports == (("TCP", 80),)
    made = books(replace(twice, status=HOLDER.status))
    assert made.release(twice.name) == (A,)


def test_the_first_port_of_the_service_that_is_in_use_is_the_one_that_is_named() -> None:
    holder, web = with_ports(HOLDER, 80, 443, 8080), with_ports(sharer("web", wish=str(A)), 443, 8080, 80)
    assert 'port TCP/443 is already in use on "10.0.0.0"' in complaint(ask(web, holder))


def test_who_changes_its_key_is_told_of_the_others_and_not_of_itself() -> None:
    made = books(HOLDER, sharer("web", str(A), port=81))
    changed = sharer("web", str(A), port=81, key="l")
    message = decide_addresses(changed, made, {}).events[0].message
    assert message.endswith('can\'t change sharing key for "shop/web", address also in use by shop/holder')


# --- Who comes and goes ---


def test_both_the_ports_that_come_into_use_and_those_that_go_out_of_it_are_told() -> None:
    made = tenancy(one=terms(80))
    assert set(made.enter(ONE, terms(81), A)) == {("TCP", 80), ("TCP", 81)}


def test_where_nobody_is_left_nothing_is_shared() -> None:
    made = tenancy(one=terms(80))
    made.leave(ONE, A)
    assert (made.together, made.everybody()) == (None, ())


def test_who_is_there_by_mistake_leaves_like_anybody() -> None:
    made = tenancy(one=terms(80), other=terms(80))
    made.leave(OTHER, A)
    assert made.everybody() == (ONE,)


def test_only_those_lose_their_right_who_do_not_agree_with_the_one_who_comes_first() -> None:
    made = tenancy(one=terms(80), other=terms(81))
    assert made.give_way_to(THIRD, terms(80), A) == (ONE,)
    assert made.everybody() == (THIRD, OTHER, ONE)


def test_who_was_there_by_right_comes_before_who_was_not() -> None:
    made = tenancy(one=terms(80), other=terms(80))
    assert made.give_way_to(THIRD, terms(81), A) == (OTHER,)


def test_one_that_cannot_be_read_and_is_gone_or_can_be_read_keeps_nobody_out() -> None:
    unread = Terms(unread=True)
    for how in ("gone", "read", "read by him who comes first"):
        made = tenancy(one=terms(80), other=unread)
        assert (made.together, made.refusal(THIRD, terms(82), A) == "") == (None, False)
        if how == "gone":
            made.leave(OTHER, A)
        elif how == "read":
            made.enter(OTHER, terms(81), A)
        else:
            made.give_way_to(OTHER, terms(81), A)
        assert (made.together, made.refusal(THIRD, terms(82), A)) == (("k", ""), "")


def test_one_that_cannot_be_read_moves_nobody_who_is_there_by_right() -> None:
    made = tenancy(one=terms(80), other=Terms(unread=True))
    assert made.refusal(ONE, terms(81, key="l"), A) == ""
    assert made.refusal(OTHER, terms(81), A) == ""
    made = tenancy(one=terms(80), other=terms(81), third=Terms(unread=True))
    assert made.refusal(ONE, terms(80, 82), A) == ""
    assert made.give_way_to(Name("shop", "first"), terms(83), A) == (THIRD,)


# --- What is open to others ---


def test_a_port_that_its_tenant_gives_up_is_open_to_others() -> None:
    made = books(HOLDER, sharer("web", str(A), port=81))
    assert (first_fit(made, 80), first_fit(made, 82)) == (B, A)
    assert made.hold(HOLDER.name, (A,), terms(82)) == (A,)
    assert (first_fit(made, 80), first_fit(made, 82)) == (A, B)


def test_all_of_several_ports_have_to_be_left() -> None:
    assert first_fit(books(HOLDER), 81, 80) == B


def test_the_ports_of_those_who_gave_way_are_open_to_others() -> None:
    made = books(with_ports(HOLDER, 80, 81), sharer("web", str(A), port=81))
    assert made.put_first(Name("shop", "web"), terms(81), A) == (HOLDER.name,)
    assert (first_fit(made, 80), first_fit(made, 81)) == (A, B)
    assert made.refusal(THIRD, terms(80), A) == ""


def test_those_with_whom_a_newcomer_clashes_are_those_who_have_a_port_of_it_or_all_who_share_otherwise() -> None:
    made = tenancy(one=terms(80), other=terms(81))
    assert made.rivals(terms(82, 81)) == (OTHER,)
    assert made.rivals(terms(82)) == ()
    assert made.rivals(terms(82, key="l")) == made.rivals(terms(82, key="")) == (ONE, OTHER)

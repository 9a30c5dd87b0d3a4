"""In which order the books give addresses out, and what they forget."""

from __future__ import annotations

from ipaddress import ip_address

from tests.unit.decide.test_ledger import DNS, FIRST, MAIL, SECOND, WEB, ledger, pool

from metalev.decide.ledger import ALONE, Ledger
from metalev.decide.sharing import Terms
from metalev.decide.waiting import Opening
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.pools import PoolStatus, Resting

THIRD, FOURTH = ip_address("10.0.0.2"), ip_address("10.0.0.3")
SHARED, NEW = Terms("k", ports=(("TCP", 80),)), Terms("k", ports=(("TCP", 81),))


def resting(address: IPAddress, service: Name = DNS, until: int = 60) -> Resting:
    return Resting(address, service, until)


def fit(books: Ledger, terms: Terms = ALONE) -> IPAddress | None:
    return books.first_fit("a", 4, terms, rested=True)


# --- Order ---


def test_what_is_preferred_now_comes_first_and_what_was_before_does_not() -> None:
    books = ledger()
    books.prefer(frozenset({THIRD, FOURTH}))
    assert fit(books) == THIRD
    books.prefer(frozenset({FOURTH}))
    assert fit(books) == FOURTH


def test_what_is_preferred_comes_first_in_pools_that_are_new_too() -> None:
    books = ledger()
    books.prefer(frozenset({THIRD, ip_address("10.9.9.9")}))
    books.set_pools([pool("b", "10.0.0.0/30")])
    assert books.first_fit("b", 4, ALONE) == THIRD


def test_a_shared_address_comes_before_a_preferred_one_that_is_behind_it() -> None:
    books = ledger()
    books.hold(WEB, (SECOND,), SHARED)
    books.prefer(frozenset({THIRD}))
    assert fit(books, NEW) == SECOND


def test_what_is_free_comes_before_what_rests_though_it_is_behind_it() -> None:
    books = ledger()
    books.rest(resting(FIRST))
    assert fit(books) == SECOND


def test_what_may_be_shared_comes_before_what_rests() -> None:
    books = ledger(pool("a", "10.0.0.0/31"))
    books.rest(resting(FIRST))
    books.hold(WEB, (SECOND,), SHARED)
    assert (fit(books, NEW), fit(books, ALONE)) == (SECOND, FIRST)


# --- What somebody may have ---


def test_nobody_is_called_for_a_barred_address_nor_for_one_of_no_pool() -> None:
    books = ledger()
    assert books.opening(FIRST) == Opening(FIRST, "a")
    books.bar({FIRST: "of a node"})
    assert books.opening(FIRST) is None
    assert books.opening(ip_address("10.9.9.9")) is None


def test_a_barred_address_is_barred_in_pools_that_are_new_too() -> None:
    books = ledger()
    books.bar({FIRST: "of a node"})
    books.set_pools([pool("a", "10.0.0.0/29")])
    assert fit(books) == SECOND


def test_an_address_that_rests_is_of_nobody_once_it_is_held() -> None:
    books = ledger()
    books.rest(resting(FIRST))
    books.hold(WEB, (FIRST,))
    assert (books.rests_of(DNS), books.next_rest_end()) == ((), None)
    books.release(WEB)
    assert fit(books) == FIRST


def test_an_address_that_is_held_does_not_rest() -> None:
    books = ledger()
    books.hold(WEB, (FIRST,))
    books.rest(resting(FIRST))
    assert (books.rests_of(DNS), books.next_rest_end()) == ((), None)
    assert books.counts("a") == PoolStatus(assigned_ipv4=1, available_ipv4=3)


def test_others_may_have_more_of_a_shared_address_that_its_tenant_keeps_on_other_terms() -> None:
    books = ledger()
    books.hold(WEB, (FIRST,), SHARED)
    books.hold(DNS, (FIRST,), NEW)
    assert books.hold(WEB, (FIRST,), Terms("k", ports=(("TCP", 82),))) == (FIRST,)


# --- Pools, and what is forgotten ---


def test_of_pools_that_overlap_the_first_by_name_has_the_addresses_in_whatever_order_they_are_told() -> None:
    books = Ledger()
    for told in (("b", "a"), ("a", "b")):
        books.set_pools(pool(one, "10.0.0.0/30") for one in told)
        assert list(books.pools) == ["a", "b"]
        assert [one.name for one in books.problems] == ["b"]
        found = books.pool_of(FIRST)
        assert found is not None
        assert found.name.name == "a"


def test_the_same_pools_in_another_order_change_nothing() -> None:
    one, other = pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30")
    assert not ledger(one, other).set_pools([other, one])


def test_pools_that_were_mended_have_no_problems_any_more() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("b", "10.0.0.0/30"))
    assert books.problems
    books.set_pools([pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30")])
    assert not books.problems


def test_nothing_is_kept_of_who_holds_nothing_any_more() -> None:
    books = ledger()
    for name in (WEB, MAIL):
        books.hold(name, (FIRST,), SHARED)
        books.release(name)
    assert (books.services(), books._terms, books._use) == ((), {}, {})

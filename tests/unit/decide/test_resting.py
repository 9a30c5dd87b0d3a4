"""Rests by address, by Service and by their end, and in the free list."""

from __future__ import annotations

from ipaddress import ip_address

from tests.unit.decide.test_freelist import free_list, rest

from metalev.decide.freelist import ENDED_KEPT
from metalev.decide.rests import Rests
from metalev.model.meta import Name
from metalev.model.pools import Resting

A, B, C, V6 = (ip_address(text) for text in ("10.0.0.2", "10.0.0.10", "10.0.0.3", "fd00::1"))
WEB, DNS = Name("shop", "web"), Name("shop", "dns")


def rests(*each: Resting) -> Rests:
    made = Rests()
    for one in each:
        made.begin(one)
    return made


def test_a_service_has_first_the_address_that_it_had_last() -> None:
    assert rests(Resting(A, WEB, 60), Resting(C, WEB, 62), Resting(B, WEB, 61)).of(WEB) == (C, B, A)


def test_of_addresses_that_it_had_until_the_same_moment_the_lower_one_comes_first() -> None:
    every = [Resting(one, WEB, 60) for one in (V6, B, C, A)]
    assert rests(*every).of(WEB) == (A, C, B, V6)


def test_an_address_rests_for_the_last_one_who_had_it_and_for_nobody_else() -> None:
    made = rests(Resting(A, WEB, 60), Resting(A, DNS, 60))
    assert (made.of(WEB), made.of(DNS), len(list(made))) == ((), (A,), 1)


def test_whether_an_address_rested_is_told_when_its_rest_ends() -> None:
    made = rests(Resting(A, WEB, 60))
    assert (made.end(B), made.end(A), made.end(A)) == (False, True, False)


def test_a_rest_that_was_renewed_ends_when_the_new_one_does() -> None:
    made = rests(Resting(A, WEB, 60), Resting(A, WEB, 90))
    assert (made.next_end(), made.over(60)) == (90, ())
    assert made.over(90) == (A,)


def test_a_rest_that_was_begun_twice_is_over_once() -> None:
    made = rests(Resting(A, WEB, 60), Resting(A, WEB, 60))
    assert made.over(60) == (A,)


def test_a_rest_that_was_ended_before_its_time_is_not_waited_for() -> None:
    made = rests(Resting(A, WEB, 60), Resting(B, WEB, 90))
    made.end(A)
    assert (made.next_end(), made.over(90)) == (90, (B,))
    assert made.next_end() is None


def test_rests_that_end_together_are_over_in_the_order_in_which_they_began() -> None:
    assert rests(*(Resting(one, WEB, 60) for one in (B, A, C))).over(60) == (B, A, C)


def test_nothing_is_kept_of_a_service_whose_rests_have_ended() -> None:
    made = rests(Resting(A, WEB, 60), Resting(B, WEB, 60), Resting(C, DNS, 60))
    for address in (A, B, C):
        made.end(address)
    assert (made._resting, made._by_service) == ({}, {})


# --- In the free list ---


def test_an_address_whose_rest_was_renewed_has_not_rested_longest() -> None:
    free = free_list("10.0.0.0/30")
    for last, until in ((0, 60), (1, 70), (0, 90)):
        rest(free, f"10.0.0.{last}", until)
    assert free.longest_rested(4) == ip_address("10.0.0.1")


def test_the_rest_that_ends_first_is_known_after_thousands_that_ended_in_whatever_order_they_began() -> None:
    free = free_list("10.0.0.0/24")
    for last, until in ((9, 900), (8, 700), (7, 600)):
        rest(free, f"10.0.0.{last}", until)
    for _ in range(ENDED_KEPT):
        rest(free, "10.0.0.1", 500)
        free.set(ip_address("10.0.0.1"), taken=False)
    assert free.longest_rested(4) == ip_address("10.0.0.7")


def test_addresses_that_rest_are_told_in_the_order_of_the_pool_ipv4_first() -> None:
    free = free_list("2001:db8::/127", "10.0.1.0/31", "10.0.0.0/31")
    for text in ("2001:db8::", "10.0.0.0", "10.0.1.1", "10.0.1.0"):
        rest(free, text, 60)
    assert list(map(str, free.resting())) == ["10.0.1.0", "10.0.1.1", "10.0.0.0", "2001:db8::"]


def test_what_is_taken_does_not_rest() -> None:
    free, address = free_list("10.0.0.0/30"), ip_address("10.0.0.0")
    free.set(address, taken=True, rests=Resting(address, WEB, 60))
    assert (free.resting(), free.longest_rested(4)) == ((), None)

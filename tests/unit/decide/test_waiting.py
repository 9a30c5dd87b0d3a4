"""Who waits is found by what can help it, in the order in which they came, and by nothing else."""

from __future__ import annotations

from ipaddress import ip_address

from metalev.decide.waiting import NOBODY_YET, Opening, Waiting, Want
from metalev.model.meta import Name

A, B, C, D, E = (Name("shop", one) for one in "abcde")
FREED = ip_address("10.0.0.1")
FREE = Opening(FREED, "main")
SHARED = Opening(FREED, "main", ("key", ""))


def waiting(**wants: Want) -> Waiting:
    made = Waiting()
    for name, want in wants.items():
        made.add(Name("shop", name), want)
    return made


def line(made: Waiting, opening: Opening = FREE) -> str:
    """The names of those in line for ``opening``."""
    found, place = "", NOBODY_YET
    while (next_one := made.first(opening, place)) is not None:
        place, name = next_one
        found += name.name
    return found


def test_a_free_address_helps_who_wants_it_and_who_wants_any_of_its_family_or_pool() -> None:
    made = waiting(
        e=Want((FREED,)),
        d=Want(families=(4,)),
        c=Want(families=(6, 4), pool="main"),
        b=Want(families=(4,), pool="other"),
        a=Want(families=(6,)),
    )
    assert line(made) == "edc"


def test_a_shared_address_helps_who_wants_it_and_who_shares_on_its_terms() -> None:
    made = waiting(
        e=Want((FREED,)),
        d=Want(families=(4,)),
        c=Want(families=(4,), together=("key", "app=x")),
        b=Want(families=(4,), together=("key", "")),
        a=Want(families=(4,), pool="main", together=("key", "")),
    )
    assert line(made, SHARED) == "eba"
    assert line(made) == "edcba"


def test_a_wish_that_nobody_can_read_is_helped_by_nothing() -> None:
    assert line(waiting(a=Want())) == ""


def test_who_wants_something_else_keeps_his_place() -> None:
    made = waiting(a=Want(families=(6,)), b=Want(families=(4,)))
    made.add(A, Want(families=(4,)))
    assert line(made) == "ab"
    assert made.in_order() == (A, B)


def test_who_leaves_and_comes_again_is_the_last() -> None:
    made = waiting(a=Want(families=(4,)), b=Want(families=(4,)))
    made.discard(A)
    made.discard(A)
    made.add(A, Want(families=(4,)))
    assert (line(made), made.in_order(), len(made)) == ("ba", (B, A), 2)


def test_who_is_called_is_not_called_again_until_he_is_back_in_his_place() -> None:
    made = waiting(a=Want(families=(4,)), b=Want(families=(4,)))
    made.call(A)
    assert (line(made), len(made)) == ("b", 2)
    made.back(A)
    made.back(B)
    assert line(made) == "ab"


def test_who_is_called_may_leave() -> None:
    made = waiting(a=Want(families=(4,)), b=Want(families=(4,)))
    made.call(A)
    made.discard(A)
    made.back(A)
    assert (line(made), len(made)) == ("b", 1)


def test_who_is_called_stays_called_when_he_says_once_more_what_he_wants() -> None:
    made = waiting(a=Want(families=(4,)), b=Want(families=(4,)))
    made.call(A)
    made.add(A, Want(families=(4,)))
    assert line(made) == "b"


def test_all_who_ask_for_an_address_are_named_longest_first_but_for_who_is_called() -> None:
    made = waiting(c=Want((FREED,)), a=Want((FREED,)), d=Want(families=(4,)), b=Want((FREED,)))
    assert made.asking_for(FREED) == (C, A, B)
    made.call(A)
    assert made.asking_for(FREED) == (C, B)
    made.back(A)
    assert made.asking_for(FREED) == (C, A, B)


def test_who_asks_for_an_address_is_helped_by_no_other() -> None:
    assert line(waiting(a=Want((ip_address("10.0.0.2"),), families=(4,)))) == ""


def test_nothing_is_kept_of_who_waits_no_longer() -> None:
    made = waiting(a=Want((FREED,)), b=Want(families=(4, 6), together=("key", "")), c=Want(families=(4,)))
    made.call(A)
    made.call(C)
    made.back(C)
    made.add(C, Want(families=(6,)))
    for name in (A, B, C):
        made.discard(name)
    assert (made._wants, made._place, made._name, made._called, made._by_key) == ({}, {}, {}, set(), {})

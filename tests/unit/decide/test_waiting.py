"""Who waits is woken by what can help it, in the order in which they came, and by nothing else."""

from __future__ import annotations

from ipaddress import ip_address

from metalev.decide.waiting import Waiting, Want
from metalev.model.meta import Name

A, B, C, D, E = (Name("shop", one) for one in "abcde")
FREED = ip_address("10.0.0.1")


def waiting(**wants: Want) -> Waiting:
    made = Waiting()
    for name, want in wants.items():
        made.add(Name("shop", name), want)
    return made


def test_an_address_wakes_who_wants_it_and_who_wants_any_of_its_family_or_pool() -> None:
    made = waiting(
        e=Want((FREED,)),
        d=Want(families=(4,)),
        c=Want(families=(6, 4), pool="main"),
        b=Want(families=(4,), pool="other"),
        a=Want(families=(6,)),
    )
    assert made.helped_by([(FREED, "main")]) == (E, D, C)


def test_a_wish_that_nobody_can_read_is_helped_by_nothing() -> None:
    assert waiting(a=Want()).helped_by([(FREED, "main")]) == ()


def test_who_wants_something_else_keeps_his_place() -> None:
    made = waiting(a=Want(families=(6,)), b=Want(families=(4,)))
    made.add(A, Want(families=(4,)))
    assert made.helped_by([(FREED, "main")]) == made.in_order() == (A, B)


def test_who_leaves_and_comes_again_is_the_last() -> None:
    made = waiting(a=Want(families=(4,)), b=Want(families=(4,)))
    made.discard(A)
    made.discard(A)
    made.add(A, Want(families=(4,)))
    assert (made.in_order(), len(made)) == ((B, A), 2)

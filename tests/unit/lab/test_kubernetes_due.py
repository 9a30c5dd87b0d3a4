"""A queue of names with times."""

from metalev.lab.kubernetes.due import Due

A, B = ("default", "a"), ("default", "b")


def test_a_name_stands_once() -> None:
    due = Due()
    for _ in range(3):
        due.add(A)
    due.add(B)
    assert [due.take(), due.take()] == [A, B]


def test_what_is_due_sooner_comes_first() -> None:
    due = Due()
    due.add(A, delay=0.02)
    due.add(B)
    assert [due.take(), due.take()] == [B, A]


def test_an_earlier_time_counts() -> None:
    due = Due()
    due.add(A, delay=1000)
    due.add(A)
    assert due.take() == A


def test_nothing_is_taken_from_a_closed_one() -> None:
    due = Due()
    due.add(A)
    due.close()
    assert due.take() is None

"""The queue of names, in virtual time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalev.runtime.queue import Backoff, NameQueue

ALL = 1_000_000


def queue(**options: Any) -> NameQueue[str]:
    return NameQueue(Backoff(jitter=lambda: 0.0, **options))


def test_a_name_added_twice_comes_out_once() -> None:
    names = queue()
    names.add(["web", "api", "web"], 0.0)
    assert names.due(0.0, ALL) == ["web", "api"]
    assert names.due(0.0, ALL) == []


def test_names_come_out_in_the_order_they_were_added() -> None:
    names = queue()
    names.add(["c", "a", "b"], 1.0)
    assert names.due(1.0, ALL) == ["c", "a", "b"]


def test_a_name_is_not_due_before_its_time() -> None:
    names = queue()
    names.add(["web"], 5.0)
    assert names.due(4.9, ALL) == []
    assert names.next_deadline() == 5.0
    assert names.due(5.0, ALL) == ["web"]
    assert names.next_deadline() is None


def test_an_earlier_time_supersedes_a_later_one() -> None:
    names = queue()
    names.add(["web"], 5.0)
    names.add(["web"], 1.0)
    assert names.due(1.0, ALL) == ["web"]
    assert names.due(5.0, ALL) == []


def test_a_later_time_does_not_put_off_an_earlier_one() -> None:
    names = queue()
    names.add(["web"], 1.0)
    names.add(["web"], 5.0)
    assert names.next_deadline() == 1.0


def test_no_more_than_the_limit_comes_out() -> None:
    names = queue()
    names.add(["a", "b", "c"], 0.0)
    assert names.due(0.0, 2) == ["a", "b"]
    assert names.next_deadline() == 0.0


def test_the_backoff_doubles_up_to_its_limit() -> None:
    names = queue(first=1.0, limit=5.0)
    assert [names.retry("web", 0.0) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_each_name_has_its_own_backoff() -> None:
    names = queue(first=1.0, limit=60.0)
    names.retry("web", 0.0)
    assert names.retry("web", 0.0) == 2.0
    assert names.retry("api", 0.0) == 1.0


def test_success_begins_the_backoff_anew() -> None:
    names = queue(first=1.0, limit=60.0)
    names.retry("web", 0.0)
    names.succeeded("web")
    assert names.retry("web", 0.0) == 1.0


def test_a_change_does_not_wait_for_the_backoff() -> None:
    names = queue(first=10.0, limit=60.0)
    names.retry("web", 0.0)
    names.add(["web"], 1.0)
    assert names.due(1.0, ALL) == ["web"]


def test_jitter_shortens_the_delay_by_up_to_its_spread() -> None:
    backoff = Backoff(first=1.0, limit=60.0, spread=0.25, jitter=lambda: 1.0)
    assert backoff.delay(3) == pytest.approx(3.0)


def test_a_thousand_failures_do_not_overflow() -> None:
    assert Backoff(jitter=lambda: 0.0).delay(2000) == Backoff().limit


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9))))
def test_every_name_comes_out_once_at_its_earliest_time(adds: list[tuple[str, int]]) -> None:
    names = queue()
    for name, at in adds:
        names.add([name], at)
    out = {name: now for now in range(10) for name in names.due(now, ALL)}
    assert out == {name: min(at for other, at in adds if other == name) for name, _ in adds}
    assert len(names) == 0


def test_names_that_failed_together_come_back_one_after_the_other_once_there_are_many() -> None:
    names = queue(first=1.0, limit=60.0, pace=0.5, burst=3)
    delays = [names.retry(f"name{number}", 0.0) for number in range(10)]
    assert delays == [1.0, 1.0, 1.0, 1.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]


def test_after_a_quiet_time_many_may_come_back_at_once_again() -> None:
    names = queue(first=1.0, limit=60.0, pace=0.5, burst=3)
    for number in range(10):
        names.retry(f"name{number}", 0.0)
    assert [names.retry(f"other{number}", 100.0) for number in range(3)] == [1.0, 1.0, 1.0]

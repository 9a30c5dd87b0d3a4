"""For how long a drill lasts."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metalev.model.drills import Drill
from metalev.model.meta import Name
from metalev.speaker.drillclock import DrillClock


def drill(node: str, *, name: str = "one", seconds: int = 30) -> Drill:
    return Drill(Name("metallb-system", name), address=ip_address("192.0.2.1"), nodes=(node,), seconds=seconds)


def test_a_drill_lasts_its_seconds_from_when_it_is_first_seen() -> None:
    clock, one = DrillClock(), drill("node1", seconds=5)
    assert clock.running({}, 100.0) == ()
    assert clock.running({one.name: one}, 200.0) == (one,)
    assert clock.running({one.name: one}, 204.9) == (one,)
    assert clock.over_in((one,), 204.0) == pytest.approx(1.0)
    assert clock.running({one.name: one}, 205.0) == ()


def test_a_drill_that_is_withdrawn_is_over() -> None:
    clock, one = DrillClock(), drill("node1")
    clock.running({}, 0.0)
    assert clock.running({one.name: one}, 1.0) == (one,)
    assert clock.running({}, 2.0) == ()
    assert clock.over_in((), 2.0) is None


def test_what_was_there_before_the_program_started_counts_for_nothing() -> None:
    clock, old, new = DrillClock(), drill("node1", name="old"), drill("node1", name="new")
    assert clock.running({old.name: old}, 0.0) == ()
    assert clock.running({old.name: old, new.name: new}, 1.0) == (new,)

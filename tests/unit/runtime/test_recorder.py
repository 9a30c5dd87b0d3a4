"""Events, told by threads of their own."""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import cast

import pytest

from metalev.model.actions import Event, EventType
from metalev.model.errors import StaleWrite, Unavailable
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.ports.cluster import Cluster
from metalev.runtime import recorder as module
from metalev.runtime.recorder import EventRecorder

PATIENCE = 60.0


def event(reason: str) -> Event:
    return Event(ObjectKey(Kind.SERVICE, Name("shop", "web")), EventType.NORMAL, reason, "words", "metallb-controller")


class Taker:
    """Takes events, after the errors that it is given."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = deque(errors)
        self.told: SimpleQueue[str] = SimpleQueue()

    def record_event(self, event: Event) -> None:
        if self.errors:
            raise self.errors.popleft()
        self.told.put(event.reason)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS", (0.001, 0.01))


def recorder(cluster: Taker, idle: threading.Event | None = None, count: int = 1) -> EventRecorder:
    if idle is None:
        (idle := threading.Event()).set()
    return EventRecorder(cast("Cluster", cluster), idle, count)


def told(cluster: Taker, count: int) -> list[str]:
    return [cluster.told.get(timeout=PATIENCE) for _ in range(count)]


def test_events_are_told_in_their_order() -> None:
    cluster = Taker()
    record = recorder(cluster)
    for reason in "abc":
        record(event(reason))
    assert told(cluster, 3) == ["a", "b", "c"]
    record.stop(PATIENCE)


def test_what_nobody_takes_now_is_told_later() -> None:
    cluster = Taker(*[Unavailable("nobody answers")] * 3)
    record = recorder(cluster)
    record(event("a"))
    assert told(cluster, 1) == ["a"]
    record.stop(PATIENCE)


def test_what_is_refused_is_let_go_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Taker(StaleWrite("not this writer"))
    record = recorder(cluster)
    record(event("a"))
    record(event("b"))
    assert told(cluster, 1) == ["b"]
    assert "the event a on Service shop/web is not told: not this writer" in caplog.text
    record.stop(PATIENCE)


def test_a_defect_costs_one_event_and_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Taker(ValueError("no JSON"))
    record = recorder(cluster)
    record(event("a"))
    record(event("b"))
    assert told(cluster, 1) == ["b"]
    record.stop(PATIENCE)


def test_it_waits_until_there_is_nothing_more_urgent() -> None:
    cluster, idle = Taker(), threading.Event()
    record = recorder(cluster, idle)
    record(event("a"))
    assert cluster.told.empty()
    idle.set()
    assert told(cluster, 1) == ["a"]
    record.stop(PATIENCE)


def test_what_waits_is_told_at_the_end_and_nothing_after_it() -> None:
    cluster = Taker()
    record = recorder(cluster, threading.Event())
    for reason in "abc":
        record(event(reason))
    record.stop(PATIENCE)
    assert told(cluster, 3) == ["a", "b", "c"]
    record(event("d"))
    assert cluster.told.empty()


def test_a_cluster_that_takes_nothing_does_not_hold_up_the_end() -> None:
    record = recorder(Taker(*[Unavailable("nobody answers")] * 1000))
    for reason in map(str, range(500)):
        record(event(reason))
    record.stop(0.01)


def test_an_event_that_is_refused_for_now_lets_the_others_pass() -> None:
    cluster = Taker(Unavailable("exceeded quota"))
    record = recorder(cluster, idle := threading.Event())
    for reason in "abc":
        record(event(reason))
    idle.set()
    assert told(cluster, 3) == ["b", "c", "a"]
    record.stop(PATIENCE)

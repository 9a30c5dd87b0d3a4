"""From the lease to the office."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import pytest

from metalev.controller import office as module
from metalev.controller.office import Office
from metalev.model.errors import Unavailable
from metalev.model.snapshot import Change, Standby

PATIENCE = 60.0
BEGIN, STAND_BY = Standby(False), Standby(True)


class Told:
    """What the program is told, and what the office does before that."""

    def __init__(self) -> None:
        self.changes: SimpleQueue[object] = SimpleQueue()

    def __call__(self, change: Change) -> None:
        self.changes.put(change)

    def step(self) -> None:
        self.changes.put("listed")

    def next(self) -> object:
        return self.changes.get(timeout=PATIENCE)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)


def failing(times: int, told: Told, error: Exception) -> Callable[[], None]:
    rest = iter(range(times))

    def step() -> None:
        if next(rest, None) is not None:
            raise error
        told.step()

    return step


def test_a_new_leader_lists_before_it_begins() -> None:
    told = Told()
    Office([told.step], 3600.0, told).changed(True, True)
    assert (told.next(), told.next()) == ("listed", BEGIN)


def test_a_new_leader_needs_no_list_that_began_after_the_last_write_of_another() -> None:
    told, since, before = Told(), list[float](), time.monotonic()
    office = Office([lambda: since.append(office.since)], 0.01, told)
    for clean in (True, False):
        office.changed(True, clean)
        assert told.next() == BEGIN
    given_back, waited_for = since
    assert before <= given_back
    assert given_back + 0.01 <= waited_for <= time.monotonic()


def test_after_an_unclean_takeover_it_waits_for_writes_that_are_on_their_way(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    told, waits = Told(), list[float | None]()
    wait = threading.Event.wait

    def noted(event: threading.Event, timeout: float | None = None) -> bool:
        if threading.current_thread().name == "office":
            waits.append(timeout)
            return event.is_set()
        return wait(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", noted)
    Office([told.step], 5.0, told).changed(True, False)
    assert (told.next(), told.next()) == ("listed", BEGIN)
    assert waits == [5.0]
    assert "waiting 5 s for writes" in caplog.text


def test_a_lease_that_is_lost_while_it_waits_means_no_work() -> None:
    told = Told()
    office = Office([told.step], 3600.0, told)
    office.changed(True, False)
    office.changed(False, False)
    office.changed(True, True)
    assert [told.next() for _ in range(3)] == [STAND_BY, "listed", BEGIN]


def test_it_begins_once_the_cluster_can_be_listed_and_says_once_why_not(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    Office([failing(5, told, Unavailable("nobody answers"))], 0.0, told).changed(True, True)
    assert (told.next(), told.next()) == ("listed", BEGIN)
    assert caplog.text.count("cannot begin yet: nobody answers") == 1


def test_what_keeps_several_steps_from_succeeding_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    steps = [failing(2, told, Unavailable("nobody answers")) for _ in range(3)]
    Office(steps, 0.0, told).changed(True, True)
    assert [told.next() for _ in range(4)] == ["listed"] * 3 + [BEGIN]
    assert caplog.text.count("cannot begin yet: nobody answers") == 1


def test_a_defect_does_not_keep_it_from_trying_again() -> None:
    told = Told()
    Office([failing(1, told, ValueError("no JSON"))], 0.0, told).changed(True, True)
    assert (told.next(), told.next()) == ("listed", BEGIN)


def test_nobody_is_told_to_work_after_he_was_told_to_stand_by() -> None:
    told, listing, lost = Told(), threading.Event(), threading.Event()

    def slow_list() -> None:
        listing.set()
        lost.wait(PATIENCE)
        told.step()

    office = Office([slow_list], 0.0, told)
    office.changed(True, True)
    assert listing.wait(PATIENCE)
    office.changed(False, False)
    lost.set()
    assert (told.next(), told.next()) == (STAND_BY, "listed")
    for thread in threading.enumerate():
        if thread.name == "office":
            thread.join(PATIENCE)
    assert told.changes.empty()


def test_who_has_stopped_takes_no_office_any_more() -> None:
    told = Told()
    office = Office([told.step], 0.0, told)
    office.stop()
    office.changed(True, True)
    assert not [thread for thread in threading.enumerate() if thread.name == "office"]
    assert told.changes.empty()

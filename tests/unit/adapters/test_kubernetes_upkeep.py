"""Objects that are kept as they should be, whoever spoils them."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest

from metalev.adapters.kubernetes import upkeep as module
from metalev.adapters.kubernetes.upkeep import Upkeep
from metalev.model.errors import Unavailable

PATIENCE = 60.0


class Sayings(Upkeep[str]):
    """Says what it is told into a queue, after it failed as often as it shall."""

    def __init__(self, *errors: Exception) -> None:
        self.said: SimpleQueue[str] = SimpleQueue()
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()
        self._errors = list(errors)
        super().__init__("sayings")

    def _say(self, wanted: str) -> None:
        self.begun.set()
        self.go.wait(PATIENCE)
        if self._errors:
            raise self._errors.pop(0)
        self.said.put(wanted)

    def next(self) -> str:
        return self.said.get(timeout=PATIENCE)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS", (0.001, 0.01))


def test_what_is_wanted_is_said_once() -> None:
    sayings = Sayings()
    sayings.want("a")
    sayings.want("a")
    assert sayings.next() == "a"
    sayings.want("b")
    assert sayings.next() == "b"
    sayings.stop(PATIENCE)
    assert sayings.said.empty()


def test_what_fails_is_said_later_and_a_person_is_told_of_what_lasts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sayings = Sayings(*[Unavailable("nobody answers")] * 5)
    sayings.want("a")
    assert sayings.next() == "a"
    sayings.stop(PATIENCE)
    assert [record.getMessage() for record in caplog.records] == ["sayings: nobody answers", "sayings: said at last"]


def test_a_defect_does_not_end_it() -> None:
    sayings = Sayings(ValueError("no JSON"))
    sayings.want("a")
    assert sayings.next() == "a"
    sayings.stop(PATIENCE)


def test_what_is_spoilt_is_said_again() -> None:
    sayings = Sayings()
    sayings.spoilt()  # nothing was wanted yet
    sayings.want("a")
    assert sayings.next() == "a"
    for _ in range(3):
        sayings.spoilt()
        assert sayings.next() == "a"
    sayings.stop(PATIENCE)


def test_what_is_spoilt_while_it_is_being_said_is_said_again() -> None:
    sayings = Sayings()
    sayings.go.clear()
    sayings.want("a")
    assert sayings.begun.wait(PATIENCE)
    sayings.spoilt()
    sayings.go.set()
    assert [sayings.next(), sayings.next()] == ["a", "a"]
    sayings.stop(PATIENCE)


def test_somebody_who_goes_on_spoiling_it_is_answered_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def between(low: float, _high: float) -> float:
        pauses.append(low)
        return 0.0

    monkeypatch.setattr(module, "BACKOFF_SECONDS", (1.0, 1000.0))
    monkeypatch.setattr(module, "between", between)
    sayings = Sayings()
    sayings.want("a")
    sayings.next()
    for _ in range(4):
        sayings.spoilt()
        sayings.next()
    assert len(pauses) == 3  # the first time at once
    sayings.want("b")
    assert sayings.next() == "b"
    assert len(pauses) == 3
    sayings.stop(PATIENCE)


def test_what_is_new_does_not_wait_because_the_old_was_spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS", (1000.0, 1000.0))
    sayings = Sayings()
    sayings.want("a")
    sayings.next()
    sayings.spoilt()
    sayings.next()
    sayings.spoilt()  # the second time it is not answered for long
    sayings.want("b")
    assert sayings.next() == "b"
    sayings.stop(PATIENCE)


def test_at_the_end_it_says_what_is_still_to_be_said() -> None:
    sayings = Sayings(*[Unavailable("nobody answers")] * 3)
    sayings.want("a")
    sayings.stop(PATIENCE)
    assert sayings.next() == "a"


def test_the_end_waits_for_what_is_being_said() -> None:
    sayings = Sayings()
    sayings.go.clear()
    sayings.want("a")
    assert sayings.begun.wait(PATIENCE)
    threading.Timer(0.05, sayings.go.set).start()
    sayings.stop(PATIENCE)
    assert sayings.next() == "a"

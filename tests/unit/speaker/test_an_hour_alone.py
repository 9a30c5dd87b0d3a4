"""A speaker whose API server is gone for an hour and longer, in virtual time: each part of it that has a timer.

The parts, and what of them depends on how long the server is gone: the reconcile (the pause between two tries, the
refresh of the state), the reflectors (the pause between two tries), the Lease (its duration), what is kept as it should
be (``Upkeep``) and the events that wait (the pauses). The engine knows of no API server, and reads none of these.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

import pytest
from tests.fakes.clock import VirtualClock
from tests.unit.speaker.scene import KEY, Speaker, endpoints, service, took, web, yielded

from metalev.adapters.kubernetes import reflector, upkeep
from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.errors import Unreachable
from metalev.adapters.kubernetes.lease import KubernetesLease
from metalev.adapters.kubernetes.reflector import Reflection, Reflector
from metalev.adapters.kubernetes.resources import Resource
from metalev.adapters.kubernetes.troubles import Troubles
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.runtime.queue import Backoff
from metalev.speaker.seat import LEASE_SECONDS, RENEW_SECONDS

HOUR = 3600.0
LONG = (HOUR, 24 * HOUR)
RETRY_LIMIT = 30.0
"""The longest pause between two tries, seconds."""


@pytest.fixture(params=LONG, ids=["an hour", "a day"])
def outage(request: pytest.FixtureRequest) -> float:
    """Seconds for which nobody answers."""
    return float(request.param)


# ===== the reconcile =====


def test_the_table_stays_and_moves_are_noted_until_they_can_be_told(outage: float) -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(took("192.0.2.1"))
    tables, told = list(speaker.engine.tables), len(speaker.outcomes)
    speaker.cluster.unavailable = "nobody answers"
    speaker.settle(within=outage / 2)
    speaker.notice(yielded("192.0.2.1"))
    speaker.settle(within=outage / 2)
    assert speaker.engine.tables == tables
    assert len(speaker.outcomes) - told < 3 * outage / RETRY_LIMIT  # and no storm
    speaker.cluster.unavailable = ""
    speaker.settle(within=60.0)  # the longest pause of the driver's queue
    assert speaker.holdings() == []


def test_what_changed_meanwhile_is_announced_as_soon_as_it_is_read(outage: float) -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.unavailable = "nobody answers"
    speaker.settle(within=outage)
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert [str(group.key) for group in speaker.engine.tables[-1].groups] == ["192.0.2.1", "192.0.2.2"]


def test_the_pause_between_two_tries_never_exceeds_its_limit() -> None:
    backoff = Backoff(jitter=lambda: 0.0)
    assert max(backoff.delay(failures) for failures in range(1, 10_000)) == RETRY_LIMIT


# ===== the reflectors =====


class Passing(threading.Event):
    """A stop that comes after ``outage`` seconds, of which each wait takes its part at once."""

    def __init__(self, clock: VirtualClock, outage: float) -> None:
        super().__init__()
        self._clock, self._outage = clock, outage

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.seconds += timeout or 0.0
        if self._clock.seconds >= self._outage:
            self.set()
        return self.is_set()


class Gone:
    """An API server that nobody reaches, each try after 3 s; ``asked`` is when somebody tried."""

    host = "https://api"
    timeout = write_timeout = 5.0

    def __init__(self, clock: VirtualClock) -> None:
        self.asked: list[float] = []
        self._clock = clock

    def get(self, _path: str, _query: Mapping[str, str] | None = None) -> bytes:
        self.asked.append(self._clock.seconds)
        self._clock.seconds += 3.0
        raise Unreachable("nobody answers")

    @contextmanager
    def lines(self, path: str, query: Mapping[str, str], _silence: float) -> Iterator[Iterator[bytes]]:
        self.get(path, query)
        yield iter(())


class Kept:
    """What was read before: only a list or a watch changes it."""

    def __init__(self) -> None:
        self.changes: list[str] = []

    def __getattr__(self, name: str) -> object:
        return lambda *_: self.changes.append(name)


@pytest.mark.parametrize("known", ["", "7"], ids=["that was never read", "that is watched"])
def test_a_kind_is_asked_for_on_and_on_and_what_is_known_of_it_stays(
    outage: float, known: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock, kept = VirtualClock(), Kept()
    server = Gone(clock)
    stop = Passing(clock, outage)
    one = Reflector(cast("Api", server), Resource("/x"), cast("Reflection", kept), Troubles(), stop)
    one._version = known
    one.run()
    pauses = [later - sooner for sooner, later in zip(server.asked, server.asked[1:], strict=False)]
    assert max(pauses) <= RETRY_LIMIT + 3.0
    assert len(server.asked) < 3 * outage / RETRY_LIMIT + 20
    assert kept.changes == []
    assert one._version == known  # it goes on where it was; whether that is too old (410) is for the server to say
    assert len(caplog.records) == 1
    assert reflector.BACKOFF_SECONDS[1] == RETRY_LIMIT


# ===== the Lease =====


def test_the_lease_ends_and_is_held_again_and_nothing_else_comes_of_it(
    outage: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock = VirtualClock()
    server = Gone(clock)
    lease = KubernetesLease(
        cast("Api", server), Name("metallb-system", "speaker-node1"), "node1", duration=LEASE_SECONDS, now=clock.now
    )
    lease._gain(0.0, clean=True)
    while clock.seconds < outage:
        lease.attempt()
        clock.seconds += RENEW_SECONDS
    assert not lease.held
    lease._gain(clock.seconds, clean=True)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


# ===== what is kept as it should be =====


class Unsayable(upkeep.Upkeep[str]):
    """Whose pauses can be asked for."""

    def _say(self, wanted: str) -> None:
        """Nothing is ever wanted here."""


def test_what_could_not_be_said_is_tried_again_after_no_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def between(_low: float, _high: float) -> float:
        return 1.0

    clock = VirtualClock()
    sayings = Unsayable("sayings", Troubles())
    sayings.stop(10.0)
    monkeypatch.setattr(upkeep, "between", between)
    monkeypatch.setattr(upkeep, "time", SimpleNamespace(monotonic=clock.now))

    def wait(timeout: float) -> None:
        pauses.append(timeout)
        clock.seconds += timeout

    sayings._stopped = False
    monkeypatch.setattr(sayings._changed, "wait", wait)
    for failures in (1, 2, 10, 1000, 100_000):
        sayings._pause(failures)
    assert max(pauses) == pauses[-1] == RETRY_LIMIT


# ===== and what a speaker decides by =====


def test_no_time_makes_a_speaker_forget() -> None:
    """Its table depends on what was read alone, at whatever time it is decided again."""
    speaker = Speaker(web(), KEY)
    (table,) = speaker.engine.tables
    dice = random.Random(5)
    for _ in range(50):
        speaker.settle(within=dice.random() * HOUR)
        speaker.cluster.relist()
        speaker.settle()
    assert speaker.engine.tables == [table]
    assert ObjectKey(Kind.SPEAKER_STATE, Name("", "node1")) in speaker.cluster.world.objects

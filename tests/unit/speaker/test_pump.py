"""From the engine's facts to the log, the metrics and the inbox."""

import logging
import threading
from collections.abc import Sequence
from ipaddress import ip_address
from queue import SimpleQueue

import pytest
from tests.fakes.ownership import FakeOwnership

from metalev.model.errors import MetalevError
from metalev.model.ownership import Fact, FactKind
from metalev.model.snapshot import Noticed
from metalev.speaker.pump import FactPump

VIP = ip_address("192.0.2.1")
TOOK = Fact(FactKind.TOOK, 1.0, "missed-beacons", "took 192.0.2.1: node2 missed 3 beacons", VIP, (VIP,), 3, "node2")
LOST = Fact(
    FactKind.PEER_LOST, 1.0, "missed-beacons", "node2 is no longer heard on lan0", peer="node2", interface="lan0"
)


class Brought:
    """A pump that runs, and what it brought up."""

    def __init__(self, engine: FakeOwnership | None = None) -> None:
        self.engine = engine or FakeOwnership()
        self.noticed: SimpleQueue[Noticed] = SimpleQueue()
        self.moves: list[str] = []
        self.failures: list[MetalevError] = []
        self.failed = threading.Event()
        self.pump = FactPump(self.engine, self.noticed.put, took=self.moves.append, failed=self._fail)
        self.pump.start()

    def _fail(self, error: MetalevError) -> None:
        self.failures.append(error)
        self.failed.set()


def test_a_fact_reaches_the_inbox() -> None:
    brought = Brought()
    brought.engine.report(TOOK)
    assert brought.noticed.get(timeout=60) == Noticed(TOOK)
    brought.pump.stop()


def test_a_takeover_is_counted_by_its_cause_and_other_facts_are_not() -> None:
    brought = Brought()
    brought.engine.report(LOST, TOOK)
    brought.noticed.get(timeout=60)
    brought.noticed.get(timeout=60)
    brought.pump.stop()
    assert brought.moves == ["missed-beacons"]


def test_a_fact_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    brought = Brought()
    brought.engine.report(TOOK, LOST)
    brought.noticed.get(timeout=60)
    brought.noticed.get(timeout=60)
    brought.pump.stop()
    took, lost = caplog.records
    assert (took.levelname, took.message) == ("INFO", "took 192.0.2.1: node2 missed 3 beacons")
    assert took.__dict__["fields"] == {"group": VIP, "cause": "missed-beacons", "term": 3, "peer": "node2"}
    assert lost.levelname == "WARNING"


def test_what_the_engine_says_while_it_stops_is_brought_up() -> None:
    brought = Brought()
    goodbye = Fact(FactKind.YIELDED, 2.0, "stopping", "fell silent", VIP, (VIP,), 3)
    brought.engine.goodbye = (goodbye,)
    brought.pump.stop()
    assert brought.noticed.get(timeout=60) == Noticed(goodbye)


def test_what_the_engine_says_after_the_thread_has_ended_is_brought_up() -> None:
    goodbye = Fact(FactKind.YIELDED, 2.0, "stopping", "fell silent", VIP, (VIP,), 3)

    class Slow(FakeOwnership):
        """Ends every wait first and gives its addresses up later."""

        def stop(self) -> None:
            if not self.stopped:
                super().stop()
                brought.pump._thread.join(10)
                self.report(goodbye)

    brought = Brought(Slow())
    brought.pump.stop()
    assert brought.noticed.get(timeout=60) == Noticed(goodbye)


def test_whoever_may_take_its_time_is_told_once_the_inbox_has_all_of_it() -> None:
    noticed: list[Fact] = []
    told: list[tuple[Fact, ...]] = []

    def after(facts: Sequence[Fact]) -> None:
        assert noticed[-len(facts) :] == list(facts)
        told.append(tuple(facts))

    engine = FakeOwnership()
    engine.goodbye = (TOOK, LOST)
    pump = FactPump(
        engine, lambda one: noticed.append(one.fact), took=lambda _: None, failed=lambda _: None, after=after
    )
    pump.start()
    pump.stop()
    assert [fact for facts in told for fact in facts] == [TOOK, LOST]


def test_stopping_twice_is_no_harm() -> None:
    brought = Brought()
    brought.pump.stop()
    brought.pump.stop()
    assert brought.engine.stopped


def test_an_engine_that_ends_by_itself_ends_the_program() -> None:
    brought = Brought()
    brought.engine.report(RuntimeError("the thread panicked"))
    assert brought.failed.wait(10)
    assert "the thread panicked; nothing is announced from this node" in str(brought.failures[0])
    brought.pump.stop()

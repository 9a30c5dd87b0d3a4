"""The loop in virtual time: no thread, no sleep."""

import logging
import threading
from collections.abc import Callable, Iterable

import pytest
from tests.fakes.clock import VirtualClock

from metalev.model.errors import StartError, Unavailable
from metalev.model.meta import Name
from metalev.model.ownership import Fact, FactKind
from metalev.model.services import Service
from metalev.model.snapshot import Change, Noticed, Rejected, Snapshot, Upserted
from metalev.runtime.loop import BATCH, Loop
from metalev.runtime.outcome import After, Done, Later, Outcome, Retry, Stop
from metalev.runtime.queue import Backoff, NameQueue
from metalev.runtime.store import Applied
from metalev.runtime.workers import Workers


class Recorder:
    """Affected by every Service touched; does as it is told."""

    def __init__(self, outcome: Callable[[str], Outcome] = lambda _: Done()) -> None:
        self.seen: list[str] = []
        self.facts: list[Fact] = []
        self.wakes: list[str] = []
        self._outcome = outcome

    def affected(self, applied: Applied) -> Iterable[str]:
        self.facts.extend(applied.facts)
        return sorted(key.name.name for key in applied.touched)

    def reconcile(self, name: str, snapshot: Snapshot) -> Outcome | Later:
        assert snapshot.services
        self.seen.append(name)
        return self._outcome(name)

    def woken(self) -> Iterable[str]:
        wakes, self.wakes = self.wakes, []
        return wakes


def loop_of(recorder: Recorder, clock: VirtualClock | None = None) -> Loop[str]:
    backoff = Backoff(first=1.0, limit=60.0, jitter=lambda: 0.0)
    return Loop(recorder, clock or VirtualClock(), queue=NameQueue(backoff))


def upserted(name: str, version: str = "1") -> Change:
    return Upserted(Service(Name("default", name), version=version))


def test_a_change_leads_to_a_reconcile_of_its_name() -> None:
    recorder = Recorder()
    loop = loop_of(recorder)
    loop.inbox.put(upserted("web"))
    assert loop.step(0.0) is None
    assert recorder.seen == ["web"]


def test_the_reconcile_sees_all_changes_of_the_batch() -> None:
    recorder = Recorder()
    loop = loop_of(recorder)
    loop.step(0.0, [upserted("web", "1"), upserted("web", "2"), upserted("api")])
    assert recorder.seen == ["api", "web"]
    assert loop.snapshot.services[Name("default", "web")].version == "2"


def test_no_change_means_no_reconcile() -> None:
    recorder = Recorder()
    loop = loop_of(recorder)
    loop.step(0.0, [upserted("web")])
    loop.step(1.0, [upserted("web")])
    assert recorder.seen == ["web"]


def test_a_retry_comes_back_after_its_backoff() -> None:
    recorder = Recorder(lambda _: Retry("nobody answers"))
    loop = loop_of(recorder)
    assert loop.step(0.0, [upserted("web")]) == 1.0
    assert loop.step(0.5, []) == 1.0
    assert loop.step(1.0, []) == 3.0
    assert recorder.seen == ["web", "web"]


def test_after_comes_back_after_that_time() -> None:
    loop = loop_of(Recorder(lambda _: After(7.0)))
    assert loop.step(1.0, [upserted("web")]) == 8.0


def test_stop_reports_and_does_not_come_back(caplog: pytest.LogCaptureFixture) -> None:
    loop = loop_of(Recorder(lambda _: Stop("remove the other address manager")))
    assert loop.step(0.0, [upserted("web")]) is None
    assert "web: remove the other address manager" in caplog.text


def test_an_exception_in_one_reconcile_spares_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def fails_for_api(name: str) -> Outcome:
        if name == "api":
            raise KeyError("a defect")
        return Done()

    recorder = Recorder(fails_for_api)
    assert loop_of(recorder).step(0.0, [upserted("api"), upserted("web")]) == 1.0
    assert recorder.seen == ["api", "web"]
    assert "api: the reconcile failed" in caplog.text


def test_names_woken_by_a_reconcile_are_looked_at_next() -> None:
    recorder = Recorder()
    loop = loop_of(recorder)
    recorder.wakes = ["waiting"]
    assert loop.step(0.0, [upserted("web")]) == 0.0
    assert loop.step(0.0, []) is None
    assert recorder.seen == ["web", "waiting"]


def test_a_start_error_ends_the_run() -> None:
    def unknown_node(_: str) -> Outcome:
        raise StartError("no node is named node9")

    with pytest.raises(StartError, match="node9"):
        loop_of(Recorder(unknown_node)).step(0.0, [upserted("web")])


def test_run_raises_what_another_thread_failed_with() -> None:
    loop = loop_of(Recorder())
    loop.fail(Unavailable("the engine ended"))
    with pytest.raises(Unavailable, match="the engine ended"):
        loop.run()


def test_a_name_that_recovers_starts_with_the_shortest_backoff_again() -> None:
    outcomes: list[Outcome] = [Retry("no"), Retry("no"), Done(), Retry("no")]
    loop = loop_of(Recorder(lambda _: outcomes.pop(0)))
    loop.step(0.0, [upserted("web")])
    loop.step(1.0, [])
    assert loop.step(3.0, []) is None
    assert loop.step(9.0, [upserted("web", "2")]) == 10.0


def test_facts_reach_the_reconciler_though_they_change_no_object() -> None:
    recorder = Recorder()
    fact = Fact(FactKind.OVERSLEPT, 1.0, "overslept", "stood still for 2.0 s")
    loop_of(recorder).step(0.0, [Noticed(fact)])
    assert recorder.facts == [fact]


def test_a_long_run_looks_into_the_inbox_in_between() -> None:
    recorder = Recorder()
    loop = loop_of(recorder)
    assert loop.step(0.0, [upserted(f"s{number:04}") for number in range(BATCH + 1)]) == 0.0
    assert len(recorder.seen) == BATCH
    assert loop.step(0.0, []) is None
    assert len(recorder.seen) == BATCH + 1


def test_the_loop_is_alive_while_it_waits_and_not_when_it_hangs() -> None:
    clock = VirtualClock()
    alive: list[bool] = []

    def hangs(_: str) -> Outcome:
        clock.seconds += 100.0
        alive.append(loop.alive(30.0))
        return Done()

    loop = loop_of(Recorder(hangs), clock)
    loop.step(0.0, [upserted("web")])
    assert alive == [False]
    assert loop.alive(30.0)


def test_the_duration_and_outcome_of_each_reconcile_are_observed() -> None:
    clock = VirtualClock()
    observed: list[tuple[float, Outcome]] = []

    def takes_two_seconds(_: str) -> Outcome:
        clock.seconds += 2.0
        return Done()

    loop: Loop[str] = Loop(Recorder(takes_two_seconds), clock, observe=lambda *seen: observed.append(seen))
    loop.step(0.0, [upserted("web")])
    assert observed == [(2.0, Done())]


def test_run_works_until_it_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    done = threading.Event()

    def finish(_: str) -> Outcome:
        done.set()
        return Done()

    loop = loop_of(Recorder(finish))
    thread = threading.Thread(target=loop.run)
    thread.start()
    loop.inbox.put(upserted("web"))
    assert done.wait(10)
    loop.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_what_cannot_be_used_is_logged_by_where_it_stands(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    loop_of(Recorder()).step(0.0, [Rejected("web.yaml:3", "spec.ports is no list"), Rejected("web.yaml:3", "")])
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("WARNING", "web.yaml:3: spec.ports is no list"),
        ("INFO", "web.yaml:3: nothing is wrong there any more"),
    ]


def test_what_is_merely_not_used_is_logged_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    loop_of(Recorder()).step(0.0, [Rejected("gizmo.yaml:1", "not read by metalev", serious=False)])
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_whoever_is_looked_at_again_after_a_write_is_seen_as_the_write_left_it() -> None:
    """A change that arrives while the loop takes in others must not be overtaken by the end of its own write."""
    seen: list[str] = []

    class Writer(Recorder):
        def reconcile(self, name: str, snapshot: Snapshot) -> Outcome | Later:
            seen.append(snapshot.services[Name("default", name)].version)
            return Later(write) if len(seen) == 1 else Done()

    def write() -> Outcome:
        assert go.wait(10)
        loop.inbox.put(upserted("web", "2"))  # what the write brought
        return Done()

    go, workers = threading.Event(), Workers(1)
    loop = Loop(Writer(), VirtualClock(), workers=workers)
    loop.step(0.0, [upserted("web", "1")])
    taken = [upserted("web", "1b")]  # the loop holds this in its hands when the write ends
    go.set()
    assert workers.idle.wait(10)
    loop.step(0.0, taken)
    loop.step(0.0, [])
    workers.stop(10)
    assert seen[-1] == "2"
    assert "1b" not in seen[1:]

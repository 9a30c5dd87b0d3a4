"""Jobs done by threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from metalev.runtime.workers import Workers

PATIENCE = 60.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.stop(PATIENCE)


def held_up(workers: Workers) -> threading.Event:
    """One job that is not done until the event is set."""
    go = threading.Event()

    def wait() -> None:
        go.wait(PATIENCE)

    workers.submit(wait)
    return go


def test_jobs_are_done_several_at_a_time(workers: Workers) -> None:
    both = threading.Barrier(2)

    def meet() -> None:
        both.wait(PATIENCE)

    for _ in range(2):
        workers.submit(meet)
    assert workers.idle.wait(PATIENCE)
    assert not both.broken


def test_it_is_idle_only_when_nothing_is_left(workers: Workers) -> None:
    go = held_up(workers)
    assert not workers.idle.is_set()
    go.set()
    assert workers.idle.wait(PATIENCE)


def test_a_job_that_fails_ends_no_thread(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    done: SimpleQueue[int] = SimpleQueue()

    def fail() -> None:
        raise ValueError("a defect")

    for _ in range(4):
        workers.submit(fail)
    workers.submit(lambda: done.put(1))
    assert done.get(timeout=PATIENCE) == 1
    assert workers.idle.wait(PATIENCE)
    assert caplog.text.count("a job failed") == 4


def test_what_has_not_begun_is_not_begun_after_the_end() -> None:
    workers, begun, go, done = Workers(1), threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        begun.set()
        go.wait(PATIENCE)
        done.append("first")

    workers.submit(first)
    workers.submit(lambda: done.append("second"))
    assert begun.wait(PATIENCE)
    workers.stop(0.0)
    ended = [workers.ended]  # the first one is still at it
    go.set()
    workers.stop(PATIENCE)
    assert [*ended, workers.ended] == [False, True]
    assert done == ["first"]


def test_who_waits_for_fewer_jobs_goes_on_as_soon_as_there_are(workers: Workers) -> None:
    go = held_up(workers)
    waiter = threading.Thread(target=workers.wait_for_fewer, args=(1, 10 * PATIENCE))
    waiter.start()
    assert waiter.is_alive()
    go.set()
    waiter.join(PATIENCE)
    assert not waiter.is_alive()


def test_who_waits_for_fewer_jobs_waits_no_longer_than_agreed(workers: Workers) -> None:
    go = held_up(workers)
    workers.wait_for_fewer(1, 0.01)
    assert not workers.idle.is_set()
    go.set()

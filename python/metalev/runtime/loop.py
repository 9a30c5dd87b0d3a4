"""The level-based loop: changes are taken in, the names they affect are looked at, one at a time, by one thread.

::

    sources (any thread) -> Inbox -> Store -> affected names -> NameQueue -> reconcile(name, snapshot)
                                                                    ^                |
                                                                    +---- Retry, After

What a reconcile leaves for later (``Later``: its writes) is done by the workers, if there are any: several at a time,
and one for each name. What they bring comes back as a change like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from metalev.model.errors import MetalevError, StartError
from metalev.model.snapshot import Change, Rejected, Snapshot
from metalev.ports.clock import Clock
from metalev.runtime.outcome import After, Done, Later, Outcome, Retry, Stop
from metalev.runtime.queue import NameQueue
from metalev.runtime.store import Applied, Store
from metalev.runtime.workers import Workers

N = TypeVar("N", bound=Hashable)

# Names reconciled before the inbox is looked into again: what arrives during a long run is not decided upon stale data.
BATCH = 128
# Names with a write under way or waiting for a worker, for each worker: enough that none of them waits for the loop,
# and few enough that nothing is written long after it was decided.
IN_FLIGHT = 8
# While each worker has so much to do, the loop lets what comes gather for up to a moment, in seconds: to look at each
# answer by itself would take the workers' turns at Python's one lock away from them.
ENOUGH = 2
GATHERING_SECONDS = 0.02

log = logging.getLogger("metalev.loop")


class Reconciler(Protocol[N]):
    """What a program does with the world. Every method is called by the loop's thread alone."""

    def affected(self, applied: Applied) -> Iterable[N]:
        """The names to look at because of ``applied``, in the order in which they shall be looked at."""
        ...

    def reconcile(self, name: N, snapshot: Snapshot) -> Outcome | Later:
        """Make the world of ``name`` what it should be. May run twice with no harm.

        ``StartError`` ends the program; any other exception is logged, and the name comes back with backoff.
        """
        ...

    def woken(self) -> Iterable[N]:
        """The names to look at because of what the last ``reconcile`` decided, each told once."""
        ...


class Inbox:
    """Where any thread, and a signal handler, puts what the loop shall know: ``put`` is reentrant."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Change | None] = SimpleQueue()

    def put(self, change: Change) -> None:
        """Hand over one change."""
        self._queue.put(change)

    def wake(self) -> None:
        """End a ``take`` that waits, with nothing to take."""
        self._queue.put(None)

    def take(self, timeout: float | None) -> list[Change]:
        """All there is, oldest first; if that is nothing, waits for up to ``timeout`` seconds (``None``: for ever)."""
        items: list[Change | None] = []
        try:
            items.append(self._queue.get(block=timeout != 0, timeout=timeout))
            while True:
                items.append(self._queue.get_nowait())
        except Empty:
            pass
        return [item for item in items if item is not None]


class Loop(Generic[N]):
    """Runs one reconciler. ``step`` is all of it; ``run`` only waits in between."""

    def __init__(
        self,
        reconciler: Reconciler[N],
        clock: Clock,
        *,
        queue: NameQueue[N] | None = None,
        inbox: Inbox | None = None,
        workers: Workers | None = None,
        observe: Callable[[float, Outcome], object] = lambda _seconds, _outcome: None,
    ) -> None:
        """``observe`` is told how many seconds each reconcile took and what came of it, by any thread.

        Without ``workers``, what is left for later is done at once.
        """
        self.inbox = inbox or Inbox()
        self.store = Store()
        self._reconciler = reconciler
        self._clock = clock
        self._queue: NameQueue[N] = NameQueue() if queue is None else queue
        self._observe = observe
        self._workers = workers
        self._under_way: set[N] = set()
        self._come_again: set[N] = set()
        self._finished: SimpleQueue[tuple[N, Outcome]] = SimpleQueue()
        self._busy_since: float | None = None
        self._stopped = False
        self._failure: MetalevError | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The world as the loop knows it; any thread may read it."""
        return self.store.snapshot

    def alive(self, limit: float) -> bool:
        """Whether it waits for work, or has been at one step for less than ``limit`` seconds."""
        since = self._busy_since
        return since is None or self._clock.now() - since < limit

    def run(self) -> None:
        """Work until ``stop``; raises what ``fail`` was given."""
        deadline: float | None = self._clock.now()
        while not self._stopped:
            if self._workers is not None:
                self._workers.wait_for_fewer(ENOUGH * self._workers.count, GATHERING_SECONDS)
            timeout = None if deadline is None else max(0.0, deadline - self._clock.now())
            deadline = self.step(self._clock.now(), self.inbox.take(timeout))
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Make ``run`` return after the step it is at. Any thread and any signal handler may call it."""
        self._stopped = True
        self.inbox.wake()

    def fail(self, error: MetalevError) -> None:
        """Make ``run`` raise ``error``: a part has ended without which the program is of no use."""
        self._failure = error
        self.stop()

    def step(self, now: float, changes: Iterable[Change] | None = None) -> float | None:
        """Take in ``changes`` (by default what the inbox holds) and look at the names that are due.

        Returns the time at which to come back if nothing arrives before; ``None`` if there is no such time.
        """
        self._busy_since = now
        try:
            # What a write brought was put into the inbox before the write ended: whoever is looked at again because it
            # ended must be seen as it left it.
            finished = self._ended()
            self._take_in(now, [*(() if changes is None else changes), *self.inbox.take(0)])
            self._take_back(finished, now)
            for name in self._queue.due(now, self._room()):
                self._reconcile(name, now)
        finally:
            self._busy_since = None
        return self._queue.next_deadline() if self._room() else None

    def _room(self) -> int:
        """How many names may be looked at now."""
        if self._workers is None:
            return BATCH
        return min(BATCH, IN_FLIGHT * self._workers.count - len(self._under_way))

    def _take_in(self, now: float, changes: Sequence[Change]) -> None:
        _tell_complaints(changes)
        applied = self.store.apply(changes)
        if applied.changed or applied.facts:
            self._queue.add(self._reconciler.affected(applied), now)

    def _ended(self) -> list[tuple[N, Outcome]]:
        """The names whose writes have ended since the last call."""
        return [self._finished.get() for _ in range(self._finished.qsize())]

    def _take_back(self, finished: Iterable[tuple[N, Outcome]], now: float) -> None:
        """Go on with the names whose writes have ended."""
        for name, outcome in finished:
            self._under_way.discard(name)
            self._follow(name, outcome, now)
            if name in self._come_again:
                self._come_again.discard(name)
                self._queue.add([name], now)

    def _reconcile(self, name: N, now: float) -> None:
        if name in self._under_way:
            self._come_again.add(name)
            return
        started = self._clock.now()
        try:
            outcome = self._reconciler.reconcile(name, self.store.snapshot)
        except StartError:
            raise
        except Exception as error:  # noqa: BLE001  (a defect in one must not end all)
            outcome = _failed(name, error)
        later = outcome if isinstance(outcome, Later) else Later(lambda: outcome)
        if later is outcome and self._workers is not None:
            self._hand_over(name, later, started, self._workers)
        else:
            self._follow(name, self._finish(name, later.job, started), now)
        self._queue.add(self._reconciler.woken(), now)

    def _hand_over(self, name: N, later: Later, started: float, workers: Workers) -> None:
        def work() -> None:
            try:
                self._finished.put((name, self._finish(name, later.job, started)))
            except StartError as error:
                self.fail(error)
            self.inbox.wake()

        self._under_way.add(name)
        workers.submit(work)

    def _finish(self, name: N, job: Callable[[], Outcome], started: float) -> Outcome:
        """Do what was left for later; ``StartError`` alone is raised."""
        try:
            outcome = job()
        except StartError:
            raise
        except Exception as error:  # noqa: BLE001  (a defect in one must not end all)
            outcome = _failed(name, error)
        self._observe(self._clock.now() - started, outcome)
        return outcome

    def _follow(self, name: N, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Retry):
            delay = self._queue.retry(name, now)
            level = logging.DEBUG if outcome.told else logging.INFO
            log.log(level, "%s: %s; next try in %.2f s", name, outcome.reason, delay)
            return
        self._queue.succeeded(name)
        match outcome:
            case After(seconds):
                self._queue.add([name], now + seconds)
            case Stop(report):
                log.error("%s: %s", name, report)
            case Done():
                pass


def _failed(name: object, error: Exception) -> Outcome:
    """A defect of ours: told with its place, and tried again."""
    log.error("%s: the reconcile failed", name, exc_info=error)
    return Retry(f"{type(error).__name__}: {error}")


def _tell_complaints(changes: Sequence[Change]) -> None:
    """Log what cannot be used, by where it stands; the adapters complain once, and once more when it is mended."""
    for change in changes:
        match change:
            case Rejected(source, ""):
                log.info("%s: nothing is wrong there any more", source)
            case Rejected(source, message, serious):
                log.log(logging.WARNING if serious else logging.INFO, "%s: %s", source, message)

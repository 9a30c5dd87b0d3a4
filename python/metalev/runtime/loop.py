"""The level-based loop: changes are taken in, the names they affect are looked at, one at a time, by one thread.

::

    sources (any thread) -> Inbox -> Store -> affected names -> NameQueue -> reconcile(name, snapshot)
                                                                    ^                |
                                                                    +---- Retry, After
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from metalev.model.errors import MetalevError, StartError
from metalev.model.snapshot import Change, Rejected, Snapshot
from metalev.ports.clock import Clock
from metalev.runtime.outcome import After, Done, Outcome, Retry, Stop
from metalev.runtime.queue import NameQueue
from metalev.runtime.store import Applied, Store

N = TypeVar("N", bound=Hashable)

# Names reconciled before the inbox is looked into again: what arrives during a long run is not decided upon stale data.
BATCH = 128

log = logging.getLogger("metalev.loop")


class Reconciler(Protocol[N]):
    """What a program does with the world. Every method is called by the loop's thread alone."""

    def affected(self, applied: Applied) -> Iterable[N]:
        """The names to look at because of ``applied``, in the order in which they shall be looked at."""
        ...

    def reconcile(self, name: N, snapshot: Snapshot) -> Outcome:
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
        observe: Callable[[float, Outcome], object] = lambda _seconds, _outcome: None,
    ) -> None:
        """``observe`` is told how many seconds each reconcile took and what came of it."""
        self.inbox = Inbox()
        self.store = Store()
        self._reconciler = reconciler
        self._clock = clock
        self._queue: NameQueue[N] = NameQueue() if queue is None else queue
        self._observe = observe
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
            self._take_in(now, self.inbox.take(0) if changes is None else changes)
            for name in self._queue.due(now, BATCH):
                self._reconcile(name, now)
        finally:
            self._busy_since = None
        return self._queue.next_deadline()

    def _take_in(self, now: float, changes: Iterable[Change]) -> None:
        changes = list(changes)
        _tell_complaints(changes)
        applied = self.store.apply(changes)
        if applied.changed or applied.facts:
            self._queue.add(self._reconciler.affected(applied), now)

    def _reconcile(self, name: N, now: float) -> None:
        started = self._clock.now()
        try:
            outcome = self._reconciler.reconcile(name, self.store.snapshot)
        except StartError:
            raise
        except Exception as error:
            log.exception("%s: the reconcile failed", name)
            outcome = Retry(f"{type(error).__name__}: {error}")
        self._observe(self._clock.now() - started, outcome)
        self._follow(name, outcome, now)
        self._queue.add(self._reconciler.woken(), now)

    def _follow(self, name: N, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Retry):
            delay = self._queue.retry(name, now)
            log.info("%s: %s; next try in %.2f s", name, outcome.reason, delay)
            return
        self._queue.succeeded(name)
        match outcome:
            case After(seconds):
                self._queue.add([name], now + seconds)
            case Stop(report):
                log.error("%s: %s", name, report)
            case Done():
                pass


def _tell_complaints(changes: Iterable[Change]) -> None:
    """Log what cannot be used, by where it stands; the adapters complain once, and once more when it is mended."""
    for change in changes:
        match change:
            case Rejected(source, ""):
                log.info("%s: nothing is wrong there any more", source)
            case Rejected(source, message, serious):
                log.log(logging.WARNING if serious else logging.INFO, "%s: %s", source, message)

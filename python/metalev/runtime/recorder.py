"""Events, told when there is nothing better to do: what is said of a change must not hold up the next change."""

from __future__ import annotations

import logging
import threading
from collections import deque

from metalev.model.actions import Event
from metalev.model.errors import StaleWrite, Unavailable
from metalev.ports.cluster import Cluster

# Events kept while the cluster does not answer; the oldest go first, for they say the least about now.
BACKLOG = 20_000
# However busy it is, an event is told after this time.
PATIENCE_SECONDS = 30.0
BACKOFF_SECONDS = (0.5, 30.0)

log = logging.getLogger("metalev.events")


class EventRecorder:
    """Threads that record events. A write that fails is tried again; one that is refused is logged and let go."""

    def __init__(self, cluster: Cluster, idle: threading.Event, count: int = 2) -> None:
        """``idle`` is set while nothing more urgent is under way."""
        self._cluster = cluster
        self._idle = idle
        self._waiting: deque[Event] = deque(maxlen=BACKLOG)
        self._there = threading.Condition()
        self._stopped = threading.Event()
        self._unrecorded = 0
        self._threads = [threading.Thread(target=self._work, name="events", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def __call__(self, event: Event) -> None:
        """Have ``event`` recorded; returns at once."""
        with self._there:
            self._waiting.append(event)
            self._there.notify()

    def stop(self, timeout: float) -> None:
        """Record what waits, for up to ``timeout`` seconds, and end."""
        self._idle.set()
        with self._there:
            self._there.wait_for(lambda: not self._waiting and not self._unrecorded, timeout)
            self._stopped.set()
            self._there.notify_all()
        for thread in self._threads:
            thread.join(timeout)

    def _work(self) -> None:
        failures = 0
        while (event := self._next()) is not None:
            self._idle.wait(PATIENCE_SECONDS)
            failures = 0 if self._is_recorded(event) else failures + 1
            with self._there:
                if failures:
                    # Behind the others: it may be refused for what is none of theirs, a quota of its namespace, say.
                    self._waiting.append(event)
                self._unrecorded -= 1
                self._there.notify_all()
            if failures:
                first, limit = BACKOFF_SECONDS
                self._stopped.wait(min(limit, first * 2.0 ** min(failures - 1, 16)))

    def _next(self) -> Event | None:
        with self._there:
            self._there.wait_for(lambda: self._waiting or self._stopped.is_set())
            if self._stopped.is_set():
                return None
            self._unrecorded += 1
            return self._waiting.popleft()

    def _is_recorded(self, event: Event) -> bool:
        """Whether there is nothing more to be done about it."""
        try:
            self._cluster.record_event(event)
        except StaleWrite as error:
            log.warning("the event %s on %s is not told: %s", event.reason, event.regarding, error)
        except Unavailable as error:
            log.debug("the event %s on %s waits: %s", event.reason, event.regarding, error)
            return False
        except Exception:
            # A thread that ended would leave every later event untold.
            log.exception("the event %s on %s is not told", event.reason, event.regarding)
        return True

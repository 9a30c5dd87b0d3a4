"""Objects that say what is, kept as they should be by a thread of their own: nothing waits for them."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from metalev.adapters.kubernetes.jitter import between
from metalev.model.errors import Unavailable

T = TypeVar("T")

BACKOFF_SECONDS = (0.5, 30.0)

log = logging.getLogger("metalev.kubernetes")


class Upkeep(ABC, Generic[T]):
    """Makes the cluster say ``wanted``, the whole of it, and again when told that somebody spoilt it."""

    def __init__(self, name: str) -> None:
        """``name`` is for people."""
        self._name = name
        self._wanted: T | None = None
        self._stale = False
        self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def want(self, wanted: T) -> None:
        """Have it said; returns at once. What was wanted before and was not said yet is not said any more."""
        with self._changed:
            if wanted != self._wanted:
                self._wanted, self._stale = wanted, True
                self._changed.notify_all()

    def spoilt(self) -> None:
        """Somebody changed or removed it: say it again."""
        with self._changed:
            if self._wanted is not None:
                self._stale = True
                self._changed.notify_all()

    def stop(self, timeout: float) -> None:
        """Say what is still to be said, for up to ``timeout`` seconds, and end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._stale, timeout)
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(timeout)

    @abstractmethod
    def _say(self, wanted: T) -> None:
        """Make it so. Raises ``Unavailable``; whatever was done until then may be done again."""

    def _work(self) -> None:
        failures = 0
        while (wanted := self._next(failures)) is not None:
            try:
                self._say(wanted)
                failures = 0
            except Unavailable as error:
                failures += 1
                log.log(logging.WARNING if failures == 3 else logging.DEBUG, "%s: %s", self._name, error)
            with self._changed:
                # What was wanted meanwhile is still to be said.
                self._stale = bool(failures) or wanted is not self._wanted
                self._changed.notify_all()

    def _next(self, failures: int) -> T | None:
        """What is to be said next, after a pause if it failed; ``None`` at the end."""
        with self._changed:
            if failures:
                first, limit = BACKOFF_SECONDS
                end = time.monotonic() + between(0.5, 1.0) * min(limit, first * 2.0**failures)
                while not self._stopped and (rest := end - time.monotonic()) > 0:
                    self._changed.wait(rest)
            self._changed.wait_for(lambda: self._stale or self._stopped)
            return None if self._stopped else self._wanted

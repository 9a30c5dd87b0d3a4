"""Objects that say what is, kept as they should be by a thread of their own: nothing waits for them."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from metalev.adapters.kubernetes.jitter import between
from metalev.model.errors import Unavailable

T = TypeVar("T")

BACKOFF_SECONDS = (0.5, 30.0)
LASTING = 3
"""Failures in a row that a person should know of."""

log = logging.getLogger("metalev.kubernetes")


class Upkeep(ABC, Generic[T]):
    """Makes the cluster say ``wanted``, the whole of it, and again when told that somebody spoilt it.

    Somebody who goes on spoiling it is answered ever more slowly.
    """

    def __init__(self, name: str) -> None:
        """``name`` is for people."""
        self._name = name
        self._wanted: T | None = None
        self._stale = False
        self._busy = False
        self._stopped = False
        self._spoils = 0
        self._said_at = float("-inf")
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def want(self, wanted: T) -> None:
        """Have it said; returns at once. What was wanted before and was not said yet is not said any more."""
        with self._changed:
            if wanted != self._wanted:
                # What is new waits for nothing; only after a failure it does, as everything does then.
                self._wanted, self._stale, self._spoils = wanted, True, 0
                self._changed.notify_all()

    def spoilt(self) -> None:
        """Somebody changed or removed it: say it again."""
        with self._changed:
            if self._wanted is not None and not self._stale:
                calm = time.monotonic() - self._said_at > BACKOFF_SECONDS[1]
                self._stale, self._spoils = True, 1 if calm else self._spoils + 1
                self._changed.notify_all()

    def stop(self, timeout: float) -> None:
        """Say what is still to be said, for up to ``timeout`` seconds, and end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._stale and not self._busy, timeout)
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(timeout)

    @abstractmethod
    def _say(self, wanted: T) -> None:
        """Make it so. Raises ``Unavailable``; whatever was done until then may be done again."""

    def _work(self) -> None:
        failures = 0
        while (wanted := self._next(failures)) is not None:
            failures = 0 if self._succeeds(wanted, failures) else failures + 1
            with self._changed:
                # What was wanted, or spoilt, meanwhile is still to be said.
                self._busy, self._said_at = False, time.monotonic()
                self._stale = self._stale or failures > 0
                self._changed.notify_all()

    def _succeeds(self, wanted: T, failures: int) -> bool:
        try:
            self._say(wanted)
        except Unavailable as error:
            log.log(logging.WARNING if failures + 1 == LASTING else logging.DEBUG, "%s: %s", self._name, error)
            return False
        except Exception:
            # A thread that ended would leave it unsaid for ever.
            log.exception("%s", self._name)
            return False
        if failures >= LASTING:
            log.info("%s: said at last", self._name)
        return True

    def _next(self, failures: int) -> T | None:
        """What is to be said next, after a pause if it failed or was spoilt again; ``None`` at the end."""
        with self._changed:
            self._pause(failures)
            self._changed.wait_for(lambda: self._stale or self._stopped)
            if not failures:
                self._pause(self._spoils - 1, unless=lambda: not self._spoils)
            if self._stopped:
                return None
            self._stale, self._busy = False, True
            return self._wanted

    def _pause(self, times: int, unless: Callable[[], bool] = lambda: False) -> None:
        if times < 1:
            return
        first, limit = BACKOFF_SECONDS
        end = time.monotonic() + between(0.5, 1.0) * min(limit, first * 2.0 ** min(times, 16))
        while not self._stopped and not unless() and (rest := end - time.monotonic()) > 0:
            self._changed.wait(rest)

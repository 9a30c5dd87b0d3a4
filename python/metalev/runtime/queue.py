"""Names that want to be looked at, each at most once, each with its own backoff.

There is no clock in here: ``now`` is an argument, in seconds of any one clock that does not go back.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import Generic, TypeVar

from msgspec import Struct

N = TypeVar("N", bound=Hashable)


class Backoff(Struct, frozen=True):
    """Seconds before the n-th retry: doubling from ``first`` up to ``limit``, less a random part of ``spread``.

    The random part keeps a thousand names that failed together from coming back together. All names together come back
    every ``pace`` seconds at most, once ``burst`` have come back sooner: what they failed at may not be up to more.
    """

    first: float = 0.02
    limit: float = 30.0
    spread: float = 0.25
    pace: float = 0.05
    burst: int = 100
    jitter: Callable[[], float] = random.random

    def delay(self, failures: int) -> float:
        """The delay after ``failures`` failures in a row (1 or more)."""
        # 2.0 ** 1024 overflows; no sensible limit is more than 2 ** 64 times the first delay.
        full = min(self.limit, self.first * 2.0 ** min(failures - 1, 64))
        return full * (1.0 - self.spread * self.jitter())


class NameQueue(Generic[N]):
    """Names by the time at which they are due; among those due together, the first added is the first out."""

    def __init__(self, backoff: Backoff | None = None) -> None:
        self._backoff = backoff or Backoff()
        self._entries: dict[N, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, N]] = []
        self._failures: dict[N, int] = {}
        self._order = count()
        self._paced = float("-inf")

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, names: Iterable[N], at: float) -> None:
        """Make ``names`` due at ``at``, or leave them where they are if they are due before that."""
        for name in names:
            self._schedule(name, at)

    def retry(self, name: N, now: float) -> float:
        """Make ``name`` due after its backoff, which this lengthens; returns the delay in seconds."""
        failures = self._failures.get(name, 0) + 1
        self._failures[name] = failures
        delay = max(self._backoff.delay(failures), self._turn(now) - now)
        self._schedule(name, now + delay)
        return delay

    def _turn(self, now: float) -> float:
        """When one more name may come back."""
        self._paced = max(self._paced, now - self._backoff.burst * self._backoff.pace) + self._backoff.pace
        return self._paced

    def succeeded(self, name: N) -> None:
        """Begin the backoff of ``name`` anew."""
        self._failures.pop(name, None)

    def due(self, now: float, limit: int) -> list[N]:
        """Take out up to ``limit`` names whose time has come."""
        names: list[N] = []
        while len(names) < limit and (deadline := self.next_deadline()) is not None and deadline <= now:
            _, _, name = heapq.heappop(self._heap)
            del self._entries[name]
            names.append(name)
        return names

    def next_deadline(self) -> float | None:
        """When the next name is due; ``None`` if none is waiting."""
        while self._heap:
            at, order, name = self._heap[0]
            if self._entries.get(name) == (at, order):
                return at
            heapq.heappop(self._heap)  # superseded by an earlier time for the same name
        return None

    def _schedule(self, name: N, at: float) -> None:
        entry = self._entries.get(name)
        if entry is not None and entry[0] <= at:
            return
        order = next(self._order)
        self._entries[name] = (at, order)
        heapq.heappush(self._heap, (at, order, name))

"""Runs a program's loop in virtual time, without a thread."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from tests.fakes.clock import VirtualClock

from metalev.ports.cluster import Cluster
from metalev.runtime.loop import Loop, Reconciler
from metalev.runtime.outcome import Outcome
from metalev.runtime.queue import Backoff, NameQueue

N = TypeVar("N", bound=Hashable)


class Driver(Generic[N]):
    """``settle`` works until there is nothing left to do, at this moment or within some seconds."""

    def __init__(self, reconciler: Reconciler[N], clock: VirtualClock) -> None:
        self.outcomes: list[Outcome] = []
        self._clock = clock
        self.loop: Loop[N] = Loop(
            reconciler,
            clock,
            queue=NameQueue(Backoff(first=1.0, limit=60.0, jitter=lambda: 0.0)),
            observe=lambda _, outcome: self.outcomes.append(outcome),
        )

    def start(self, cluster: Cluster) -> Driver[N]:
        """Read the cluster and settle."""
        cluster.start(self.loop.inbox.put)
        self.settle()
        return self

    def settle(self, within: float = 0.0) -> None:
        """Work, and let the time pass that the loop asks for, up to ``within`` seconds in all."""
        end = self._clock.seconds + within
        changes = self.loop.inbox.take(0)
        while True:
            deadline = self.loop.step(self._clock.now(), changes)
            changes = self.loop.inbox.take(0)
            if not changes and (deadline is None or deadline > end):
                self._clock.seconds = end
                return
            if not changes and deadline is not None:
                self._clock.seconds = max(self._clock.seconds, deadline)

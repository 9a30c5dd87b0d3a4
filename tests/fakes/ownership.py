"""An engine that does nothing but remember and report what a test tells it to."""

from __future__ import annotations

from collections.abc import Sequence
from queue import Empty, SimpleQueue

from metalev.model.address import IPAddress
from metalev.model.ownership import Fact, OwnershipTable
from metalev.ports.ownership import Counters


class FakeOwnership:
    """``tables`` are those that were set, oldest first; ``report`` puts facts where ``facts`` finds them."""

    def __init__(self) -> None:
        self.tables: list[OwnershipTable] = []
        self.stopped = False
        self.drilled: list[IPAddress] = []
        self.goodbye: tuple[Fact, ...] = ()
        self._reported: SimpleQueue[Fact | Exception | None] = SimpleQueue()

    def report(self, *facts: Fact | Exception) -> None:
        """Let ``facts`` happen; an exception is what the engine ended with."""
        for fact in facts:
            self._reported.put(fact)

    def set(self, table: OwnershipTable) -> None:
        self.tables.append(table)

    def facts(self, timeout: float) -> Sequence[Fact]:
        try:
            found = self._reported.get(block=not self.stopped, timeout=timeout)
        except Empty:
            return ()
        if isinstance(found, Exception):
            raise found
        return () if found is None else (found,)

    def counters(self) -> Counters:
        return Counters()

    def drill(self, address: IPAddress) -> None:
        self.drilled.append(address)

    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.report(*self.goodbye)
            self._reported.put(None)

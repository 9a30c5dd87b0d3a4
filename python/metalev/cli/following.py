"""A cluster that is followed as it changes, for who says that an address is theirs."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic
from types import TracebackType
from typing import Self

from msgspec import Struct

from metalev.cli.reading import PATIENCE
from metalev.decide.drills import holders, latest
from metalev.model.address import IPAddress
from metalev.model.errors import Unavailable
from metalev.model.snapshot import Change, Snapshot
from metalev.ports.cluster import Cluster
from metalev.runtime.store import Store


class Held(Struct, frozen=True):
    """From ``at`` on (seconds from the order of the drill) the address was said to be a node's."""

    at: float
    node: str
    term: int
    cause: str


class Follower:
    """The cluster as it changes, and who says that the address is theirs."""

    def __init__(self, cluster: Cluster, address: IPAddress) -> None:
        self.address = address
        self.held: list[Held] = []
        self._cluster = cluster
        self._arrived: SimpleQueue[Change] = SimpleQueue()
        self._store = Store()
        self._began = monotonic()

    def __enter__(self) -> Self:
        try:
            self._cluster.start(self._arrived.put)
            self._await_everything()
        except BaseException:
            self._cluster.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.stop()

    @property
    def snapshot(self) -> Snapshot:
        """All that is known by now."""
        return self._store.snapshot

    @property
    def holder(self) -> str:
        """Who took the address last; empty if nobody has it."""
        return latest(holders(self.snapshot.speakers.values(), self.address))

    def begin(self) -> None:
        """Times count from here."""
        self._began = monotonic()
        self.held.clear()
        self._note()

    def wait_for(self, condition: Callable[[Snapshot], bool], seconds: float) -> bool:
        """Follow until it holds; whether it did in time."""
        deadline = monotonic() + seconds
        while not condition(self.snapshot):
            try:
                self._store.apply([self._arrived.get(timeout=max(0.0, deadline - monotonic()))])
            except Empty:
                return False
            self._note()
        return True

    def pause(self, seconds: float) -> None:
        """Follow for so long."""
        self.wait_for(lambda _: False, seconds)

    def _await_everything(self) -> None:
        if not self.wait_for(lambda snapshot: snapshot.synced, PATIENCE):
            raise Unavailable(f"the cluster could not be read within {PATIENCE:g} s: does it answer?")

    def _note(self) -> None:
        found = holders(self.snapshot.speakers.values(), self.address)
        node = latest(found)
        now = (node, found[node].term, found[node].cause) if node else ("", 0, "")
        if not self.held or now != (self.held[-1].node, self.held[-1].term, self.held[-1].cause):
            self.held.append(Held(round(monotonic() - self._began, 2), *now))

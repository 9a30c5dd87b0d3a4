"""Who announces which addresses: the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from metalev.model.address import IPAddress
from metalev.model.ownership import Fact, OwnershipTable


class AddressCounters(Struct, frozen=True):
    """What was seen and sent for one address since the start."""

    address: IPAddress
    requests_received: int = 0
    responses_sent: int = 0
    gratuitous_sent: int = 0
    foreign_claims: int = 0


class Failovers(Struct, frozen=True):
    """How long addresses were without an announcer that had died, as a histogram.

    It counts from the last beacon of that one to the first gratuitous frame of this node. ``within``: seconds, and how
    many took so long at most; ``sum``: seconds of all together.
    """

    within: tuple[tuple[float, int], ...] = ()
    count: int = 0
    sum: float = 0.0


class PathCounters(Struct, frozen=True):
    """How a peer is heard on one path: an interface, or ``udp``.

    ``missed`` counts beacons that did not come when they were due; ``jitter`` and ``patience`` are in seconds: by how
    much beacons have been late lately, and after how long a silence the peer is given up.
    """

    peer: str
    path: str
    alive: bool = True
    received: int = 0
    missed: int = 0
    jitter: float = 0.0
    patience: float = 0.0


class Counters(Struct, frozen=True):
    """The engine's counters; ``dropped`` counts frames by the reason for which they were not answered.

    ``witnessed`` counts what came of asking for announced addresses as a client would.
    ``unsent`` counts frames and datagrams that the kernel did not take, ``facts_lost`` facts that nobody fetched.
    ``promise`` is for how many seconds a round of beacons renews the right to answer.
    """

    addresses: tuple[AddressCounters, ...] = ()
    dropped: dict[str, int] = {}
    beacons_sent: int = 0
    beacons_received: int = 0
    failovers: Failovers = Failovers()
    unsent: int = 0
    facts_lost: int = 0
    promise: float = 0.0
    paths: tuple[PathCounters, ...] = ()
    probes_sent: int = 0
    witnessed: dict[str, int] = {}


class Ownership(Protocol):
    """The engine that answers for addresses and agrees with its peers on who does.

    Promotion happens inside it: a node's death moves addresses with no Python and no controller involved.
    """

    def set(self, table: OwnershipTable) -> None:
        """Hand over the whole table; returns at once, what comes of it is reported as facts."""
        ...

    def facts(self, timeout: float) -> Sequence[Fact]:
        """Wait up to ``timeout`` seconds for facts, oldest first; empty when none came or it was stopped."""
        ...

    def counters(self) -> Counters:
        """The counters as they are now."""
        ...

    def drill(self, address: IPAddress) -> None:
        """Have the group of ``address`` move, if this node announces it and somebody else can; returns at once."""
        ...

    def stop(self) -> None:
        """Hand over what is held, for a second at most; say goodbye to the peers, end the engine's thread.

        May be called twice.
        """
        ...

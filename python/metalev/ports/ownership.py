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


class Counters(Struct, frozen=True):
    """The engine's counters; ``dropped`` counts frames by the reason for which they were not answered.

    ``witnessed`` counts what came of asking for announced addresses as a client would.
    ``unsent`` counts frames and datagrams that the kernel did not take, ``facts_lost`` facts that nobody fetched.
    """

    addresses: tuple[AddressCounters, ...] = ()
    dropped: dict[str, int] = {}
    beacons_sent: int = 0
    beacons_received: int = 0
    unsent: int = 0
    facts_lost: int = 0
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

    def stop(self) -> None:
        """Say goodbye to the peers, fall silent and end the engine's thread. May be called twice."""
        ...

"""The Rust core: the announcing engine on its own thread, and the process's capabilities.

Only ``metalev.adapters.native`` imports this module.
"""
# ruff: noqa: PYI021  (the docstrings of the extension are short; here a reader finds units and errors)

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol, final

__all__ = ["Counters", "Fact", "Speaker", "check_patterns", "clock", "keep_capabilities"]

class _Candidate(Protocol):
    @property
    def node(self) -> str: ...
    @property
    def score(self) -> int: ...

class _Group(Protocol):
    @property
    def key(self) -> IPv4Address | IPv6Address: ...
    @property
    def addresses(self) -> Sequence[IPv4Address | IPv6Address]: ...
    @property
    def candidates(self) -> Sequence[_Candidate]: ...
    @property
    def interfaces(self) -> Sequence[str]: ...
    @property
    def gives_way(self) -> bool: ...
    @property
    def keeps(self) -> bool: ...
    @property
    def drilled(self) -> bool: ...
    @property
    def preempt(self) -> str: ...

class _Peer(Protocol):
    @property
    def node(self) -> str: ...
    @property
    def addresses(self) -> Sequence[IPv4Address | IPv6Address]: ...

class _Key(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def secret(self) -> bytes: ...

class _Silence(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def seconds(self) -> float: ...

class _Probing(Protocol):
    @property
    def addresses(self) -> Sequence[IPv4Address | IPv6Address]: ...
    @property
    def full(self) -> bool: ...

class _Table(Protocol):
    @property
    def peers(self) -> Sequence[_Peer]: ...
    @property
    def keys(self) -> Sequence[_Key]: ...
    @property
    def groups(self) -> Sequence[_Group]: ...
    @property
    def silence(self) -> _Silence | None: ...
    @property
    def probing(self) -> _Probing: ...

@final
class Fact:
    """Something that the engine saw or did."""

    kind: str
    at: float
    cause: str
    message: str
    group: IPv4Address | IPv6Address | None
    addresses: list[IPv4Address | IPv6Address]
    term: int
    peer: str
    interface: str
    mac: str
    patience: float

@final
class Counters:
    """What was counted since the start."""

    addresses: list[tuple[IPv4Address | IPv6Address, int, int, int, int]]
    dropped: dict[str, int]
    beacons_sent: int
    beacons_received: int
    failovers: tuple[list[tuple[float, int]], int, float]
    probes_sent: int
    witnessed: dict[str, int]
    unsent: int
    facts_lost: int
    promise: float
    paths: list[tuple[str, str, bool, int, int, float, float]]

@final
class Speaker:
    """The engine, its sockets and its thread. Every method releases the GIL while it waits."""

    def __new__(
        cls,
        node: str,
        *,
        beacon_interval: float,
        beacon_misses: int,
        refresh: float,
        hold_down: float,
        port: int,
        interfaces: Sequence[str],
        exclude: Sequence[str],
    ) -> Speaker:
        """Open the sockets and start the thread.

        ``beacon_interval``, ``refresh``, the time between two gratuitous announcements (0: none), and ``hold_down``,
        how long a better candidate has to be up before it takes a group back, are in seconds.
        ``interfaces`` empty means every interface whose name matches none of the regular expressions in ``exclude``.
        Raises ``PermissionError`` without CAP_NET_RAW, ``OSError`` when ``port`` is in use, ``LookupError`` for an
        interface that does not exist, ``ValueError`` for options that make no sense.
        """

    def set(self, table: _Table) -> None:
        """Hand over the whole table. Returns at once."""

    def facts(self, timeout: float) -> list[Fact]:
        """Wait up to ``timeout`` seconds for facts; empty when none came, or after ``stop``.

        Raises ``RuntimeError`` once the engine ended by itself, which only a bug makes it do.
        """

    def counters(self) -> Counters:
        """The counters as they are now."""

    def drill(self, address: IPv4Address | IPv6Address) -> None:
        """Have the group of ``address`` move, if it is held here and another can have it. Returns at once."""

    def stop(self) -> None:
        """Hand over what is held, for a second at most; say goodbye, close the sockets, join the thread.

        May be called twice.
        """

def clock() -> float:
    """Seconds of CLOCK_BOOTTIME: the clock of ``Fact.at``."""

def keep_capabilities(names: Sequence[str]) -> None:
    """Give up, for good and for this thread and all that it starts, every capability but those named.

    Names as the kernel has them (``CAP_NET_RAW``). Raises ``PermissionError`` naming the first one that the process
    does not have.
    """

def check_patterns(patterns: Sequence[str]) -> None:
    """Raises ``ValueError`` naming the first of ``patterns`` that is no regular expression for ``exclude``."""

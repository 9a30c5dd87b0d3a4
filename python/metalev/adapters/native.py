"""The Rust engine behind the port ``Ownership``; the only module that imports the extension.

What the extension raises becomes a :class:`StartError`: one line that says what to do.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from metalev import _native  # noqa: TID251  (this module is the one that may)
from metalev.model.address import IPAddress
from metalev.model.errors import StartError
from metalev.model.ownership import Fact, FactKind, OwnershipTable
from metalev.ports.ownership import AddressCounters, Counters, Failovers, PathCounters

BEACON_INTERVAL = 0.05
BEACON_MISSES = 3
BEACON_PORT = 7946
GRATUITOUS_INTERVAL = 60.0
HOLD_DOWN = 30.0

DEFAULT_EXCLUDE = (
    "^docker.*",
    "^cbr.*",
    "^dummy.*",
    "^virbr.*",
    "^lxcbr.*",
    "^veth.*",
    "^lo$",
    "^cali.*",
    "^tunl.*",
    "^flannel.*",
    "^kube-ipvs.*",
    "^cni.*",
    "^nodelocaldns.*",
    "^lxc.*",
)
"""Interfaces of containers and overlays, which never carry VIPs: the list that MetalLB ships."""


class NativeOwnership:
    """The engine on its own thread, started by the constructor.

    ``beacon_interval``, ``gratuitous_interval`` (0: announce at a takeover only) and ``hold_down`` (how long a better
    candidate has to be up before it takes a group back) are in seconds. ``interfaces``
    empty means every interface whose name matches none of the regular expressions in ``exclude``. Raises
    :class:`StartError` when it cannot start.
    """

    def __init__(
        self,
        node: str,
        *,
        beacon_interval: float = BEACON_INTERVAL,
        beacon_misses: int = BEACON_MISSES,
        gratuitous_interval: float = GRATUITOUS_INTERVAL,
        hold_down: float = HOLD_DOWN,
        port: int = BEACON_PORT,
        interfaces: Sequence[str] = (),
        exclude: Sequence[str] = DEFAULT_EXCLUDE,
    ) -> None:
        if not 0 < port < 65536:
            raise StartError(f"the beacon port must be 1 to 65535, not {port}")
        with _start_errors():
            self._speaker = _native.Speaker(
                node,
                beacon_interval=beacon_interval,
                beacon_misses=beacon_misses,
                refresh=gratuitous_interval,
                hold_down=hold_down,
                port=port,
                interfaces=interfaces,
                exclude=exclude,
            )

    def set(self, table: OwnershipTable) -> None:
        """Hand over the whole table; returns at once."""
        self._speaker.set(table)

    def facts(self, timeout: float) -> Sequence[Fact]:
        """Wait up to ``timeout`` seconds for facts, oldest first; empty when none came or it was stopped.

        Raises ``RuntimeError`` once the engine ended by itself: nothing is announced any more and nothing here can
        mend it, so the process has to end and be started anew.
        """
        return tuple(_fact(fact) for fact in self._speaker.facts(timeout))

    def counters(self) -> Counters:
        """The counters as they are now, or as they were when it was stopped."""
        counters = self._speaker.counters()
        return Counters(
            addresses=tuple(AddressCounters(*row) for row in counters.addresses),
            dropped=counters.dropped,
            beacons_sent=counters.beacons_sent,
            beacons_received=counters.beacons_received,
            failovers=_failovers(*counters.failovers),
            probes_sent=counters.probes_sent,
            witnessed=counters.witnessed,
            unsent=counters.unsent,
            facts_lost=counters.facts_lost,
            promise=counters.promise,
            paths=tuple(PathCounters(*row) for row in counters.paths),
        )

    def drill(self, address: IPAddress) -> None:
        """Have the group of ``address`` move, if this node announces it and somebody else can."""
        self._speaker.drill(address)

    def stop(self) -> None:
        """Hand over what is held, for a second at most; say goodbye to the peers, end the engine's thread.

        May be called twice.
        """
        self._speaker.stop()


def keep_capabilities(names: Sequence[str]) -> None:
    """Give up every capability but those named (``CAP_NET_RAW``), for good.

    Concerns this thread and all that it starts later: call it before there is a second thread. Raises
    :class:`StartError` when a named one is missing.
    """
    with _start_errors():
        _native.keep_capabilities(names)


def check_patterns(patterns: Sequence[str]) -> None:
    """Raises :class:`StartError` for the first of ``patterns`` that is no regular expression for ``exclude``."""
    with _start_errors():
        _native.check_patterns(patterns)


def _fact(fact: _native.Fact) -> Fact:
    return Fact(
        kind=FactKind(fact.kind),
        at=fact.at,
        cause=fact.cause,
        message=fact.message,
        group=fact.group,
        addresses=tuple(fact.addresses),
        term=fact.term,
        peer=fact.peer,
        interface=fact.interface,
        mac=fact.mac,
        patience=fact.patience,
    )


def _failovers(within: list[tuple[float, int]], count: int, total: float) -> Failovers:
    return Failovers(tuple(within), count, total)


@contextmanager
def _start_errors() -> Iterator[None]:
    """Add the cure to what the extension says is wrong."""
    try:
        yield
    except PermissionError as error:
        raise StartError(
            f"{error.strerror}; run as root, or give the process the capability "
            "(in a pod: securityContext.capabilities.add)"
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"{error.strerror} (another speaker on this host, or MetalLB's?); stop that one first"
            ) from error
        raise StartError(f"{error.strerror}") from error
    except LookupError as error:
        raise StartError(f"{error}; correct the list of interfaces") from error
    except ValueError as error:
        raise StartError(f"{error}") from error

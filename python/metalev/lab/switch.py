"""The segment that everything is plugged into, and its faults."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from metalev.lab import faults, links, nft
from metalev.lab.faults import Direction, Faults
from metalev.lab.namespace import Namespace


class Switch:
    """A bridge in a namespace of its own. Its ports bear the names of their hosts; every method may be repeated."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self._hosts: dict[str, Namespace] = {}
        self._unplugged: set[str] = set()
        self._without_power: set[str] = set()
        self._faults = Faults()

    def build(self) -> None:
        """Make the bridge."""
        self.namespace.create()
        links.make_bridge(self.namespace)

    def connect(self, port: str, host: Namespace, mac: str) -> None:
        """Lay a cable to a host's ``eth0``; it passes frames from :meth:`power_on` on."""
        links.plug(self.namespace, port, host, mac)
        self._hosts[port] = host
        self._without_power.add(port)

    def unplug(self, port: str) -> None:
        """Pull the cable."""
        self._unplugged.add(port)
        self._set_port(port)

    def replug(self, port: str) -> None:
        """The cable is in, and passes frames in both directions."""
        self._unplugged.discard(port)
        self._set_port(port)
        self._load(replace(self._faults, deaf=self._faults.deaf - {port}, mute=self._faults.mute - {port}))

    def power_off(self, port: str) -> None:
        """The host is off: its port is down, whatever becomes of the cable."""
        self._without_power.add(port)
        self._set_port(port)

    def power_on(self, port: str) -> None:
        """The host is on again; its port is up unless the cable is out."""
        self._without_power.discard(port)
        self._set_port(port)

    def lose(self, port: str, direction: Direction) -> None:
        """Lose the frames that go ``in`` to the host, or come ``out`` of it."""
        if direction == "in":
            self._load(replace(self._faults, deaf=self._faults.deaf | {port}))
        else:
            self._load(replace(self._faults, mute=self._faults.mute | {port}))

    def lose_some(self, percent: int, ports: Iterable[str]) -> None:
        """Of a hundred frames among the ports lose so many. Replaces an earlier loss; no ports end it."""
        self._load(replace(self._faults, lossy=frozenset(ports), loss_percent=percent))

    def partition(self, sides: Iterable[Iterable[str]]) -> None:
        """Let no frame cross between the sides; ports on no side reach all. Replaces an earlier partition."""
        self._load(replace(self._faults, sides=tuple(frozenset(side) for side in sides)))

    def heal(self) -> None:
        """Undo the partition."""
        self.partition(())

    def _set_port(self, port: str) -> None:
        if port in self._unplugged | self._without_power:
            links.lower_port(self.namespace, port)
        else:
            links.raise_port(self.namespace, port, self._hosts[port])

    def _load(self, wanted: Faults) -> None:
        if wanted != self._faults:
            nft.load(self.namespace, faults.rules(wanted))
            self._faults = wanted

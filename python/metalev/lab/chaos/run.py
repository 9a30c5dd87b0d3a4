"""A run: events one after the other on a lab of three nodes, each mended and judged before the next but one."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime
from typing import Self

from metalev.lab import census
from metalev.lab.capture import packet_socket, receive
from metalev.lab.census import Report
from metalev.lab.chaos import meter
from metalev.lab.chaos.deeds import DEEDS
from metalev.lab.chaos.judge import Cost, Happened, judge
from metalev.lab.chaos.patience import in_force, was_in_force
from metalev.lab.chaos.schedule import Event, Kind
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node, answer_in
from metalev.lab.links import UPLINK
from metalev.lab.namespace import LabError
from metalev.lab.process import Process
from metalev.lab.topology import home_network
from metalev.model.address import Family, IPAddress

SERVICES: Mapping[str, tuple[Family, ...]] = {"web": (4,), "six": (6,), "dual": (4, 6)}
AT_ONCE = 20  # events per census
LOOK_S = 0.1  # for the answers to one round of questions
STUCK_S = 60.0  # whoever has no announcer for so long has none for ever
QUIET_S = 1.2  # until everybody has spoken to everybody again, and late beacons are forgotten
STARVED_QUIET_S = 2.2  # until a speaker has forgotten that it was starved itself
SHORT_QUIET_S = 0.3  # where that is so already
QUIETLY: frozenset[Kind] = frozenset({"death", "kill", "term", "restart", "firewall"})
_ETHERTYPES = (0x0806, 0x86DD)


class Chaos:
    """The cluster, and what is done to it. Use as a context manager."""

    def __init__(self, directory: Path) -> None:
        self.cluster = LabCluster(home_network(nodes=3, pods_per_node=1, ipv6=True), directory)
        self._directory = directory
        self._addresses: dict[str, tuple[IPAddress, ...]] = {}
        self._stack = ExitStack()
        self._rounds = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            cluster = stack.enter_context(self.cluster)
            cluster.manifests.write_pool()
            for name, families in SERVICES.items():
                cluster.manifests.write_service(name, families=families)
            cluster.start()
            for name, families in SERVICES.items():
                self._addresses[name] = cluster.wait_for_addresses(name, len(families))
            self._settle()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def addresses(self) -> list[IPAddress]:
        """Of all Services."""
        return [address for addresses in self._addresses.values() for address in addresses]

    def play(self, events: list[Event]) -> list[Cost]:
        """Let the events happen and judge them; :class:`LabError` if an address is stuck."""
        self._rounds += 1
        client = self.cluster.lab.client
        asking = census.start(client, self.addresses, log=self._directory / f"census-{self._rounds}.log")
        measuring = meter.start(client, log=self._directory / f"meter-{self._rounds}.log")
        hold(QUIET_S)
        happened = [self._happen(event) for event in events]
        lateness = meter.finish(measuring)
        report: Report = census.finish(asking)
        return [judge(one, report, lateness) for one in happened]

    def _happen(self, event: Event) -> Happened:
        announcer = self._announcers(self._addresses[event.service][0]) if event.service else []
        node = announcer[0] if announcer else self.cluster.lab.node(event.node)
        patient = self._patient()
        said = Said(self.cluster)
        began = now()
        mend = DEEDS[event.kind](self.cluster, node)
        hold(max(0.0, began + event.seconds - now()))
        mended = now()
        mend()
        self._settle()
        settled = now()
        hold(_quiet_after(event.kind))
        patient = max(patient, self._patient(), was_in_force(said.since(), node.name))
        return Happened(event, node.name, began, mended, settled, patient)

    # ===== what is seen =====

    def _patient(self) -> float:
        """By how many seconds a speaker may wait longer than usual for another now, as they show it."""
        return in_force(self.cluster.metrics(name) for name in self.cluster.lab.nodes)

    def _settle(self) -> None:
        """Wait until each address is answered by exactly one node."""
        deadline = time.monotonic() + STUCK_S
        while wrong := {str(address): macs for address, macs in self._look().items() if len(macs) != 1}:
            if time.monotonic() > deadline:
                raise LabError(f"after {STUCK_S:g} s not each address is answered by one node: {wrong}")

    def _announcers(self, address: IPAddress) -> list[Node]:
        return [self.cluster.lab.node_with(mac) for mac in self._look()[address]]

    def _look(self) -> dict[IPAddress, list[str]]:
        """Ask for every address once: who answers."""
        client = self.cluster.lab.client
        found: dict[IPAddress, dict[str, None]] = {address: {} for address in self.addresses}
        with ExitStack() as stack:
            sockets = [stack.enter_context(packet_socket(client.namespace, UPLINK, kind)) for kind in _ETHERTYPES]
            for address in found:
                sockets[0].send(client.question(address))
            deadline = time.monotonic() + LOOK_S
            while (left := deadline - time.monotonic()) > 0:
                for sock in census.readable(sockets, left):
                    frame = receive(sock)
                    for address, macs in found.items():
                        if (mac := answer_in(frame, address)) is not None:
                            macs[mac] = None
        return {address: list(macs) for address, macs in found.items()}


class Said:
    """What the speakers log from now on, also those that are started meanwhile."""

    def __init__(self, cluster: LabCluster) -> None:
        self._cluster = cluster
        self._before = {process: len(process.output()) for process in self._speakers().values()}

    def since(self) -> dict[str, str]:
        """The new part of each node's log."""
        return {name: process.output()[self._before.get(process, 0) :] for name, process in self._speakers().items()}

    def _speakers(self) -> dict[str, Process]:
        return {name: self._cluster.speaker(name) for name in self._cluster.lab.nodes}


def _quiet_after(kind: Kind) -> float:
    """Seconds until the next event is judged as if there had been none before."""
    if kind in QUIETLY:
        return SHORT_QUIET_S
    return STARVED_QUIET_S if kind == "starve" else QUIET_S


def now() -> float:
    """CLOCK_BOOTTIME in seconds."""
    return clock_gettime(CLOCK_BOOTTIME)


def hold(seconds: float) -> None:
    """A fault lasts as long as the schedule says: the one place where time itself is what is waited for."""
    threading.Event().wait(seconds)

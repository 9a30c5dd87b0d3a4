"""metalev and keepalived in one lab at one time, each with an address of its own, and what happens to their nodes."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from bench.contestants import Contestant, Keepalived, Metalev
from msgspec import Struct

from metalev.lab import prober
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.manifests import l2_advertisement, pool
from metalev.lab.namespace import LabError
from metalev.lab.pods import ECHO_PORT, HTTP_PORT
from metalev.lab.prober import Report
from metalev.lab.topology import home_network

ADVERT = 0.1  # s between two of keepalived's advertisements
HELD = 10
CONNECT_TIMEOUT = 0.25  # s; a lost SYN comes again only after a second, a new connection sends another
PATIENCE = 60  # s
VERDICT = 2.0  # s after an event until it is known of every held connection whether it lives
HEADER = ("event", "who", "n", "p50", "p90", "p99", "worst", "held lost", "prober late")
SPOILED_MAX = 5  # deaths in a row whose longest silence was another one


class Sample(Struct, frozen=True):
    """One event as a client felt it: the longest silence in ms, and how many of ten held connections were lost."""

    silence: float
    lost: int
    own_delay: float


class Corner(Struct, frozen=True):
    """A contestant with the Service whose address it announces."""

    contestant: Contestant
    service: str
    address: IPv4Address


class Duel:
    """Three nodes on which both run, and a client."""

    def __init__(self, cluster: LabCluster, corners: tuple[Corner, Corner], directory: Path) -> None:
        self.corners = corners
        self._cluster = cluster
        self._client = cluster.lab.client
        self._directory = directory
        self._probes = 0

    def death(self, corner: Corner, phase: float) -> Sample:
        """The announcer's node loses its power; ``phase`` (0-1) is how much of a heartbeat after all is settled.

        A death whose longest silence was another one (the machine stalled) says nothing, and is repeated.
        """
        for _ in range(SPOILED_MAX):
            announcer = self._settle(corner)
            report, before, after = self._probed(corner, phase, announcer, announcer.kill)
            for one in self.corners:
                one.contestant.revive(announcer)
            if report.silence_began <= after and report.silence_ended >= before:
                return _sample(report)
        raise LabError(f"{corner.contestant.name}: the longest silence was never that of a death: {report}")

    def move(self, corner: Corner, phase: float) -> Sample:
        """The announcer's program ends in good order, as in an upgrade; its node lives."""
        announcer = self._settle(corner)
        report, _, _ = self._probed(corner, phase, announcer, lambda: corner.contestant.leave(announcer))
        corner.contestant.come_back(announcer)
        return _sample(report)

    def _probed(
        self, corner: Corner, phase: float, announcer: Node, act: Callable[[], None]
    ) -> tuple[Report, float, float]:
        """Do it while the client probes; what it felt, and the times before and after."""
        self._probes += 1
        address, log = corner.address, self._directory / f"prober-{self._probes}.log"
        probing = prober.start(
            self._client, f"{address}:{HTTP_PORT}", log=log, held=HELD, echo=f"{address}:{ECHO_PORT}", seconds=120
        )
        threading.Event().wait(phase * corner.contestant.heartbeat)  # nothing to wait for but the moment
        before = prober.now()
        act()
        after = prober.now()
        self._await_successor(corner, announcer)
        # A held connection hears of its end by its next retransmission, which the silence has delayed; or stalls.
        threading.Event().wait(max(0.0, after + VERDICT - prober.now()))
        return prober.finish(probing), before, after

    def _settle(self, corner: Corner) -> Node:
        """Wait until one node announces the address, put the pods on the others, and connect; the announcer."""
        announcer = self._cluster.wait_for_announcer(corner.address, PATIENCE)
        elsewhere = [(node, pod) for node, pod in self._cluster.lab.topology.pods if node.name != announcer.name]
        addresses = {pod.address for _, pod in elsewhere}
        self._cluster.manifests.write_endpoints(corner.service, elsewhere)
        what = f"the pods of {corner.service} are elsewhere"
        self._cluster.wait_for(what, lambda _: self._cluster.endpoints(corner.service) == addresses, PATIENCE)
        self._await_answer(corner)
        return announcer

    def _await_successor(self, corner: Corner, announcer: Node) -> None:
        """Wait until somebody else answers alone, and connects succeed."""
        deadline = time.monotonic() + PATIENCE
        while (answering := self._cluster.announcers(corner.address)) in ([], [announcer]) or len(answering) > 1:
            if time.monotonic() > deadline:
                raise LabError(f"{corner.contestant.name}: nobody took {corner.address} from {announcer.name}")
        self._await_answer(corner)

    def _await_answer(self, corner: Corner) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._connects(corner.address):
            if time.monotonic() > deadline:
                raise LabError(f"{corner.contestant.name}: nobody answers {corner.address} within {PATIENCE} s")

    def _connects(self, address: IPv4Address) -> bool:
        with self._client.socket(socket.SOCK_STREAM) as sock:
            sock.settimeout(CONNECT_TIMEOUT)
            return sock.connect_ex((str(address), HTTP_PORT)) == 0


@contextmanager
def duel(directory: Path) -> Iterator[Duel]:
    """Both on all nodes. The pool of keepalived's address is in no L2Advertisement, so metalev does not announce it."""
    with LabCluster(home_network(nodes=3, pods_per_node=1, router=False), directory) as cluster:
        files = cluster.manifests
        files.write("pools", pool("ours", ["192.168.1.200-192.168.1.204"]), l2_advertisement("ours", ("ours",)))
        files.write("rival-pool", pool("theirs", ["192.168.1.205-192.168.1.209"]))
        files.write_service("web", annotations={"metallb.io/address-pool": "ours"})
        files.write_service("rival", annotations={"metallb.io/address-pool": "theirs"})
        cluster.start_controller()
        ours, theirs = cluster.wait_for_address("web"), cluster.wait_for_address("rival")
        configs = directory / "keepalived"
        configs.mkdir()
        corners = (
            Corner(Metalev(cluster), "web", ours),
            Corner(Keepalived(cluster, theirs, ADVERT, configs), "rival", theirs),
        )
        for corner in corners:
            corner.contestant.start()
        yield Duel(cluster, corners, directory)
        for corner in corners:
            corner.contestant.stop()


def percentile(values: list[float], part: float) -> float:
    """The smallest of ``values`` that at least ``part`` of them do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def row(event: str, who: str, samples: list[Sample]) -> list[str]:
    """A row of the table under ``HEADER``; silences in milliseconds."""
    silences = [one.silence for one in samples]
    parts = [f"{percentile(silences, part):.0f}" for part in (0.5, 0.9, 0.99, 1.0)]
    lost = f"{sum(one.lost for one in samples)} of {10 * len(samples)}"
    return [event, who, str(len(samples)), *parts, lost, f"{max(one.own_delay for one in samples):.0f}"]


def _sample(report: Report) -> Sample:
    return Sample(report.longest_silence_ms, report.held_lost, report.own_delay_ms)

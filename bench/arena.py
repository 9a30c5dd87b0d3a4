"""Where failovers are compared: one lab, one address, one prober, and whoever announces the address."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median

from bench.contestants import Contestant
from msgspec import Struct

from metalev.lab import prober
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.namespace import LabError
from metalev.lab.pods import HTTP_PORT
from metalev.lab.prober import Report
from metalev.lab.topology import home_network

SERVICE = "web"
CONNECT_TIMEOUT = 0.25  # s; a lost SYN comes again only after a second, a new connection sends another
FAILOVER_TIMEOUT = 20  # s
FLOOR_SECONDS = 3


class Gaps(Struct, frozen=True):
    """The silences of one contestant, in milliseconds. ``floor`` is the longest one while nothing happened.

    ``own_delay`` is the most that the prober itself was late: what of a gap may be this machine's.
    """

    name: str
    gaps: tuple[float, ...]
    floor: float
    own_delay: float

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.gaps)


class Arena:
    """A cluster whose Service ``web`` has ``address``, and the deaths of those who announce it."""

    def __init__(self, cluster: LabCluster, address: IPv4Address, directory: Path) -> None:
        self.cluster = cluster
        self._client = cluster.lab.client
        self.address = address
        self._target = f"{address}:{HTTP_PORT}"
        self._log = directory / "prober.log"

    def settle(self) -> Node:
        """Wait until one node announces the address, put the pods on the others, and connect; the announcer."""
        announcer = self.cluster.wait_for_announcer(self.address, FAILOVER_TIMEOUT)
        elsewhere = [(node, pod) for node, pod in self.cluster.lab.topology.pods if node.name != announcer.name]
        addresses = {pod.address for _, pod in elsewhere}
        self.cluster.manifests.write_endpoints(SERVICE, elsewhere)
        self.cluster.wait_for("the pods are elsewhere", lambda _: self.cluster.endpoints(SERVICE) == addresses)
        self._await_answer()
        return announcer

    def floor(self) -> Report:
        """Probe for three seconds in which nothing happens."""
        self._log.unlink(missing_ok=True)
        probing = prober.start(self._client, self._target, log=self._log, seconds=FLOOR_SECONDS)
        probing.wait(FLOOR_SECONDS + 10)
        return prober.finish(probing)

    def death(self, contestant: Contestant, delay: float) -> Report:
        """Kill the announcer's node ``delay`` seconds after all is settled; the node is back when this returns.

        Raises :class:`LabError` if the longest silence was not that of the death: then the machine stalled, and the
        figure says nothing.
        """
        announcer = self.settle()
        self._log.unlink(missing_ok=True)
        probing = prober.start(self._client, self._target, log=self._log)
        threading.Event().wait(delay)  # nothing to wait for but the moment: see the method
        before = prober.now()
        announcer.kill()
        after = prober.now()
        self._await_answer()
        successor = self.cluster.wait_for_announcer(self.address)
        report = prober.finish(probing)
        if successor == announcer or report.silence_began > after or report.silence_ended < before:
            raise LabError(f"{contestant.name}: the longest silence is not that of {announcer.name}'s death: {report}")
        contestant.revive(announcer)
        return report

    def _await_answer(self) -> None:
        """Connect until it succeeds."""
        deadline = time.monotonic() + FAILOVER_TIMEOUT
        while not self._connects():
            if time.monotonic() > deadline:
                raise LabError(f"nobody answers {self._target} within {FAILOVER_TIMEOUT} s of a death")

    def _connects(self) -> bool:
        with self._client.socket(socket.SOCK_STREAM) as sock:
            sock.settimeout(CONNECT_TIMEOUT)
            return sock.connect_ex((str(self.address), HTTP_PORT)) == 0


@contextmanager
def arena_in(directory: Path) -> Iterator[Arena]:
    """A cluster of three nodes in ``directory`` whose Service has its address, and a client beside it."""
    with LabCluster(home_network(nodes=3, pods_per_node=1, router=False), directory) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service(SERVICE)
        cluster.start_controller()
        yield Arena(cluster, cluster.wait_for_address(SERVICE), directory)

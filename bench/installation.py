"""The two programs on a directory of manifests with many Services, and nothing else beside them."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from bench import cores
from msgspec.structs import replace

from metalev.lab import manifests
from metalev.lab.lab import Lab
from metalev.lab.manifests import Manifests
from metalev.lab.namespace import LabError
from metalev.lab.process import Process
from metalev.lab.topology import NodeSpec, Topology, home_network

POOL = "192.168.64.0/18"  # 16,384 addresses of the segment, of which no host has one
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
PATIENCE_S = 180
POLL_S = 0.25
# Of a core: less than announcing thousands of addresses takes, and then probing the next free ones, of which the last
# word is a state of all addresses: one write, read by all, some seconds after the last frame.
CALM = 0.01
CALM_S = 10.0


class Installation:
    """A controller, and a speaker on each of two nodes, of which the first alone may announce; the second is its peer.

    Unlike in the lab's own cluster no kube-proxy reads along, and nobody asks for metrics.
    """

    def __init__(self, lab: Lab, directory: Path, services: int) -> None:
        self._lab = lab
        self._state = directory / "state"
        self._directory = directory
        self._services = services
        self._write(Manifests(directory / "manifests", lab.topology))

    def start(self) -> None:
        """Start the programs, and wait until every Service has its address and all are announced."""
        self.controller = self._spawn("controller")
        self.wait_for("every Service to have its address", lambda: self._allocated() == self._services)
        self.speaker = self._spawn("speaker", "node1")
        self.peer = self._spawn("speaker", "node2")
        self.wait_for("every Service to be announced", lambda: self._announced() == self._services)
        self.speaker.wait_for("node2 is heard on")

    def settle(self) -> None:
        """Wait until the programs have done what there was to do."""
        self.wait_for("the programs to come to rest", lambda: all(use <= CALM for use in self.cpu_use(CALM_S)))

    def cpu_use(self, seconds: float) -> tuple[float, float]:
        """The parts of a core that the controller and the speaker use during the next ``seconds``."""
        pids = (self.controller.pid, self.speaker.pid)
        before, began = [cores.threads_seconds(pid) for pid in pids], time.monotonic()
        threading.Event().wait(seconds)  # there is nothing to wait for but time
        elapsed = time.monotonic() - began
        controller, speaker = (
            (cores.threads_seconds(pid) - used) / elapsed for pid, used in zip(pids, before, strict=True)
        )
        return controller, speaker

    def add(self) -> None:
        """Write all the Services into the manifests, and wait until every one is announced."""
        self._write_services(Manifests(self._directory / "manifests", self._lab.topology))
        self.wait_for("every Service to be announced", lambda: self._announced() == self._services)

    def remove(self) -> None:
        """Remove all the Services, and wait until the programs have forgotten them."""
        files = Manifests(self._directory / "manifests", self._lab.topology)
        for index in range(self._services):
            files.path(f"app-{index}").unlink()
        self.wait_for("every Service to be forgotten", lambda: self._allocated() == 0 and self._announced() == 0)

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; :class:`LabError` after three minutes, or when a program ends."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            for process in self._processes:
                if not process.running:
                    raise LabError(f"{process.name} ended: {process.output()[-2000:]}")
            if time.monotonic() > deadline:
                raise LabError(f"waited {PATIENCE_S} s in vain for {what}")
            threading.Event().wait(POLL_S)

    @property
    def _processes(self) -> Iterator[Process]:
        for host in (self._lab.client, *self._lab.nodes.values()):
            yield from host.processes

    def _allocated(self) -> int:
        return sum(1 for _ in (self._state / "controller" / "services").glob("*/*.yaml"))

    def _announced(self) -> int:
        state = self._state / "node1" / "state.yaml"
        return state.read_text().count("group: ") if state.exists() else -1

    def _spawn(self, program: str, node: str = "") -> Process:
        """The controller runs on the client's host, beside the nodes."""
        paths = ("--manifests", str(self._directory / "manifests"), "--state", str(self._state))
        own = ("--node-name", node, "--key-file", str(self._directory / "beacon.key")) if node else ()
        argv = [sys.executable, "-m", "metalev", program, *paths, "--metrics-address", "127.0.0.1:0", *own]
        host = self._lab.node(node) if node else self._lab.client
        return host.spawn(argv, log=self._directory / f"{node or program}.log")

    def _write(self, files: Manifests) -> None:
        key = self._directory / "beacon.key"
        key.write_text(secrets.token_hex(32))
        key.chmod(0o600)
        self._state.mkdir()
        files.write_cluster()
        files.write("nodes", *map(_node, self._lab.topology.nodes))
        files.write_pool(POOL)
        self._write_services(files)

    def _write_services(self, files: Manifests) -> None:
        pods = list(self._lab.topology.pods)
        for index in range(self._services):
            name = f"app-{index}"
            service = manifests.service(name, cluster_ip=f"10.96.{index // 250}.{index % 250 + 1}")
            documents = (service, manifests.endpoint_slice(name, pods))
            # JSON is YAML, and written a hundred times as fast.
            files.path(name).write_text("".join(f"---\n{json.dumps(one)}\n" for one in documents))


def resident(pid: int) -> tuple[int, int]:
    """The memory of a process that is in RAM now, and the most that ever was, in bytes (VmRSS and VmHWM of proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return int(kib["VmRSS"]) * 1024, int(kib["VmHWM"]) * 1024


@contextmanager
def installation(directory: Path, services: int) -> Iterator[Installation]:
    """An installation of its own lab, for as long as the ``with`` block runs."""
    with Lab(_wide(home_network(nodes=2, pods_per_node=1, router=False))) as lab:
        yield Installation(lab, directory, services)


def _wide(topology: Topology) -> Topology:
    """Its subnet so wide that a large pool is on the segment."""
    return replace(topology, subnet=IPv4Network("192.168.0.0/16"))


def _node(spec: NodeSpec) -> manifests.Manifest:
    made = manifests.node(spec)
    if spec.name != "node1":
        made["metadata"]["labels"][EXCLUDED] = ""
    return made

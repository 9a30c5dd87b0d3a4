"""metalev on the hosts of a lab: a controller, a speaker on every node, and what they work from."""

from __future__ import annotations

import re
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from metalev.lab.host import Node
from metalev.lab.lab import SWITCH, Lab
from metalev.lab.manifests import Manifests
from metalev.lab.namespace import LabError, Namespace
from metalev.lab.process import Process
from metalev.lab.proxies import Proxies
from metalev.lab.topology import Topology
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.services import ServiceStatus
from metalev.model.snapshot import Snapshot

KEY_BYTES = 32
REKEYED = "has changed: its first key signs beacons from now on"


class LabCluster:
    """A lab with metalev installed, for as long as the ``with`` block runs.

    Everything it writes lies in ``directory``: ``manifests``, ``state``, ``logs`` and ``beacon.key``. The controller
    runs beside the switch, on no node: it needs no network. Without ``serving`` the pods are only written of, and
    nobody plays kube-proxy's part, so that there may be thousands of addresses: what waits for the packet filters waits
    in vain.
    """

    def __init__(self, topology: Topology, directory: Path, *, serving: bool = True) -> None:
        self.lab = Lab(topology, pods_log=directory / "pods.log", serve_pods=serving)
        self._serving = serving
        self.state = directory / "state"
        self.manifests = Manifests(directory / "manifests", topology)
        self._logs = directory / "logs"
        self._key = directory / "beacon.key"
        self.keys: tuple[str, ...] = ()
        self._stack = ExitStack()
        self._speakers: dict[str, Process] = {}
        self._controller: Process | None = None
        self._starts = 0

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self.state.mkdir(exist_ok=True)
        self._write_keys(self.new_key())
        self.manifests.write_cluster()
        with ExitStack() as stack:
            stack.enter_context(self.lab)
            stack.callback(self._kill_controller)
            self._proxies = Proxies(self.lab, self.manifests.directory, self.state)
            if self._serving:
                stack.enter_context(self._proxies)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start the controller and every speaker, and wait until each is at work."""
        self.start_controller()
        for node in self.lab.nodes:
            self.start_speaker(node)
        for node in self.lab.nodes:
            self._speakers[node].wait_for("is heard on" if len(self.lab.nodes) > 1 else "new table")

    # ===== the programs =====

    def start_controller(self, name: str = "controller") -> Process:
        """Start a controller and wait until it is at work; :class:`LabError` with its last words if it is not."""
        process = self._start("controller", self.lab.namespace_of(SWITCH), name=name)
        process.wait_for("the controller reads")
        self._controller = process
        return process

    def stop_controller(self) -> None:
        """End the controller, as an upgrade does."""
        if self._controller is not None:
            self._controller.terminate()
            self._controller = None

    def _kill_controller(self) -> None:
        if self._controller is not None:
            self._controller.kill()

    def start_speaker(self, node: str, *options: str) -> Process:
        """Start a node's speaker."""
        host = self.lab.node(node)
        arguments = ("--node-name", node, "--key-file", str(self._key), *options)
        process = self._start("speaker", host.namespace, *arguments, name=node)
        host.processes.append(process)
        self._speakers[node] = process
        return process

    @staticmethod
    def new_key() -> str:
        """A key for beacons that nobody has."""
        return secrets.token_hex(KEY_BYTES)

    def set_keys(self, *keys: str) -> None:
        """Replace the keys in the speakers' key file, and wait until each that runs says that it has read them."""
        running = [speaker for speaker in self._speakers.values() if speaker.running]
        before = [speaker.output().count(REKEYED) for speaker in running]
        self._write_keys(*keys)
        for speaker, times in zip(running, before, strict=True):
            speaker.wait_for_count(REKEYED, times + 1)

    def _write_keys(self, *keys: str) -> None:
        self.keys = keys
        other = self._key.with_suffix(".new")
        other.touch(mode=0o600)
        other.write_text("".join(f"{key}\n" for key in keys))
        other.replace(self._key)

    def speaker(self, node: str) -> Process:
        """A node's speaker, with what it has logged."""
        return self._speakers[node]

    def metrics(self, node: str) -> dict[str, float]:
        """What the node's speaker shows at /metrics now: the value of each sample, by its name and labels."""
        speaker = self._speakers[node]
        speaker.wait_for("metrics and probes on port ")
        (port,) = re.findall(r"metrics and probes on port (\d+)", speaker.output())
        page = self.lab.node(node).run(["curl", "-sf", "-m", "60", f"http://127.0.0.1:{port}/metrics"]).stdout
        samples = (line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        return {sample: float(value) for sample, value in samples}

    @property
    def controller(self) -> Process:
        """The running controller, with what it has logged."""
        assert self._controller is not None, "no controller runs"
        return self._controller

    def _start(self, program: str, namespace: Namespace, *options: str, name: str = "") -> Process:
        self._starts += 1
        log = self._logs / f"{name or program}-{self._starts}.log"
        paths = ("--manifests", str(self.manifests.directory), "--state", str(self.state))
        argv = [sys.executable, "-m", "metalev", program, *paths, "--metrics-address", "127.0.0.1:0", *options]
        return Process.start(namespace, argv, env=self.lab.environment, log=log)

    # ===== what is =====

    @property
    def snapshot(self) -> Snapshot:
        """The cluster as the nodes' packet filters have it by now."""
        return self._proxies.snapshot

    def status(self, service: str) -> ServiceStatus:
        """What metalev says of a Service in ``default``; empty for one that nobody has seen yet."""
        found = self.snapshot.services.get(Name("default", service))
        return found.status if found else ServiceStatus()

    def wait_for(self, what: str, wanted: Callable[[Snapshot], bool], timeout: float = 60) -> float:
        """Wait for something in the cluster; see :meth:`Proxies.wait_for`."""
        return self._proxies.wait_for(what, wanted, timeout)

    def wait_for_address(self, service: str) -> IPv4Address:
        """Wait until a Service has an IPv4 address, and no other, and the nodes' packet filters know it.

        Raises :class:`LabError` for a Service of another family, or of both.
        """
        (address,) = self.wait_for_addresses(service)
        if not isinstance(address, IPv4Address):
            raise LabError(f"{service} has {address}, which is no IPv4 address: wait_for_addresses gives it")
        return address

    def wait_for_addresses(self, service: str, count: int = 1) -> tuple[IPAddress, ...]:
        """Wait until a Service has ``count`` addresses and the nodes' packet filters know them.

        Raises :class:`LabError` if it has more.
        """
        what = "an address" if count == 1 else f"{count} addresses"
        self.wait_for(f"{service} gets {what}", lambda _: len(self.status(service).addresses) >= count)
        addresses = self.status(service).addresses
        if len(addresses) > count:
            found = f"{service} has {len(addresses)} addresses ({', '.join(map(str, addresses))}), not {count}"
            raise LabError(f'{found}: wait_for_addresses("{service}", {len(addresses)}) gives them')
        return addresses

    def endpoints(self, service: str) -> set[IPAddress]:
        """The pods behind a Service in ``default``, as the nodes' packet filters have them by now."""
        parts = self.snapshot.endpoints.get(Name("default", service), {}).values()
        return {ip_address(endpoint.addresses[0]) for part in parts for endpoint in part.endpoints}

    def announcers(self, address: IPAddress) -> list[Node]:
        """The nodes that answer for an address now, asked on the wire by the client."""
        return [self.lab.node_with(mac) for mac in self.lab.client.who_has(address)]

    def wait_for_announcer(self, address: IPAddress, timeout: float = 60) -> Node:
        """Wait until exactly one node answers for an address."""
        deadline = time.monotonic() + timeout
        while len(nodes := self.announcers(address)) != 1:
            if time.monotonic() > deadline:
                names = ", ".join(node.name for node in nodes) or "nobody"
                raise LabError(f"{names} answers for {address} after {timeout:g} s, not one node")
        return nodes[0]

    def wait_for_silence(self, address: IPAddress, timeout: float = 60) -> None:
        """Wait until nobody answers for an address any more."""
        deadline = time.monotonic() + timeout
        while nodes := self.announcers(address):
            if time.monotonic() > deadline:
                raise LabError(f"{nodes[0].name} still answers for {address} after {timeout:g} s")

"""The lab: makes a topology, hands out its hosts, removes it again."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from ipaddress import ip_interface
from pathlib import Path
from types import TracebackType
from typing import Self

from metalev.lab import interrupts, links, pods
from metalev.lab.host import Host, Node, mac_of
from metalev.lab.ledger import Record, demolish, open_record, reap
from metalev.lab.namespace import Namespace
from metalev.lab.process import Process
from metalev.lab.switch import Switch
from metalev.lab.topology import HostSpec, NodeSpec, Topology
from metalev.lab.userns import privileged
from metalev.model.address import IPAddress, IPNetwork
from metalev.model.errors import StartError

SWITCH = "switch"


class Lab:
    """A topology come to life for as long as the ``with`` block runs, however the block ends.

    Without ``serve_pods`` the pods are network namespaces that somebody else puts servers into. Raises
    :class:`StartError` with one line for the user if this machine cannot hold a lab.
    """

    def __init__(self, topology: Topology, *, pods_log: Path | None = None, serve_pods: bool = True) -> None:
        self.topology = topology
        self._with_servers = serve_pods
        self._pods_log = pods_log
        self._open = False
        self._record: Record | None = None
        self._hosts: dict[str, Host] = {}
        self._nodes: dict[str, Node] = {}
        self._pods: Process | None = None
        self._switch: Switch | None = None

    def __enter__(self) -> Self:
        check_machine()
        reap()
        interrupts.install()
        self._open = True
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """What its namespaces' names begin with, after ``mlv-``."""
        return self._built.id

    @property
    def environment(self) -> Mapping[str, str]:
        """What its programs carry in theirs, so that they can be found whatever becomes of their owner."""
        return self._built.environment

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes by name, in the topology's order."""
        return self._nodes

    @property
    def client(self) -> Host:
        """The machine outside the cluster."""
        return self._hosts[self.topology.client.name]

    def node(self, name: str) -> Node:
        """One node by its name."""
        return self._nodes[name]

    def host(self, name: str) -> Host:
        """A node, the client or the router by its name."""
        return self._hosts[name]

    def node_with(self, mac: str) -> Node:
        """The node whose interface has this MAC address; KeyError if none."""
        return {node.mac: node for node in self._nodes.values()}[mac]

    def namespace_of(self, name: str) -> Namespace:
        """The namespace of a host, a pod or the switch."""
        return Namespace(f"mlv-{self.id}-{name}")

    def partition(self, *sides: Iterable[Host]) -> None:
        """Let nothing pass between the sides: ``lab.partition([a], [b, c])``. A host on no side reaches everybody."""
        self._wired.partition([host.name for host in side] for side in sides)

    def heal(self) -> None:
        """Undo the partition; cut cables stay cut."""
        self._wired.heal()

    def lose(self, percent: int, *, among: Iterable[Host]) -> None:
        """Of a hundred frames that the hosts send each other lose so many; among nobody, none is lost."""
        self._wired.lose_some(percent, [host.name for host in among])

    def close(self) -> None:
        """Remove everything; called by the ``with`` block, harmless to repeat."""
        if not self._open:
            return
        with interrupts.held():
            try:
                if self._record is not None:
                    demolish(self._record)
                for process in self._processes():
                    process.kill()  # dead already: this collects its status
            finally:
                self._record, self._open = None, False
                interrupts.restore()

    @property
    def _built(self) -> Record:
        assert self._record is not None, "the lab exists inside its `with` block only"
        return self._record

    @property
    def _wired(self) -> Switch:
        assert self._switch is not None, "the lab exists inside its `with` block only"
        return self._switch

    def _processes(self) -> list[Process]:
        own = [self._pods] if self._pods else []
        return own + [process for host in self._hosts.values() for process in host.processes]

    def _build(self) -> None:
        names = (SWITCH, *(host.name for host in self.topology.hosts), *(pod.name for _, pod in self.topology.pods))
        with interrupts.held():
            self._record = open_record(names)
        self._switch = Switch(self.namespace_of(SWITCH))
        self._switch.build()
        for spec in self.topology.hosts:
            self._add_host(spec, self._switch)
        for node in self.topology.nodes:
            self._add_pods(node)
        if self._with_servers:
            self._serve_pods()

    def _add_host(self, spec: HostSpec, switch: Switch) -> None:
        namespace = self.namespace_of(spec.name)
        namespace.create()
        links.use_addresses_at_once(namespace)
        switch.connect(spec.name, namespace, mac_of(spec.address))
        router = self.topology.router
        subnets = zip(spec.addresses, self.topology.subnets, strict=True)
        links.configure(
            namespace,
            [ip_interface((address, subnet.prefixlen)) for address, subnet in subnets],
            gateways=router.addresses if router and spec != router else (),
            routes=self._pod_routes(spec) if spec == self.topology.control_plane or spec in self.topology.nodes else (),
        )
        switch.power_on(spec.name)
        if isinstance(spec, NodeSpec):
            self._nodes[spec.name] = Node(spec, namespace, switch, self.environment)
        if isinstance(spec, NodeSpec) or spec == router:
            namespace.sysctl("ipv4/ip_forward", 1)
            namespace.sysctl("ipv6/conf/all/forwarding", 1, optional=True)
        self._hosts[spec.name] = self._nodes.get(spec.name) or Host(spec, namespace, switch, self.environment)

    def _pod_routes(self, spec: HostSpec) -> list[tuple[IPNetwork, IPAddress]]:
        others = [other for other in self.topology.nodes if other != spec]
        return [route for other in others for route in zip(other.pod_cidrs, other.addresses, strict=True)]

    def _add_pods(self, node: NodeSpec) -> None:
        namespaces = [(self.namespace_of(pod.name), pod.addresses) for pod in node.pods]
        for namespace, _ in namespaces:
            namespace.create()
            links.use_addresses_at_once(namespace)
        links.plug_pods(self.namespace_of(node.name), [cidr[1] for cidr in node.pod_cidrs], namespaces)

    def _serve_pods(self) -> None:
        """Open every pod's sockets here, so that they queue connections before the program that serves them is up."""
        with ExitStack() as stack, interrupts.held():
            listeners = [
                listener
                for node, pod in self.topology.pods
                for listener in pods.listen(self.namespace_of(pod.name), pod, node.name, stack)
            ]
            self._pods = Process.start(
                self._wired.namespace,
                pods.command(listeners),
                env=self.environment,
                log=self._pods_log,
                pass_fds=[listener.fd for listener in listeners],
            )


def check_machine() -> None:
    """Raise :class:`StartError`, one line that says what to do, if a lab cannot be made here."""
    if not privileged():
        raise StartError(
            "the lab must be allowed to make network namespaces: python -m metalev.lab.userns -- COMMAND, or as root"
        )
    for program, package in (("nft", "nftables"), ("nsenter", "util-linux")):
        if shutil.which(program) is None:
            raise StartError(f"{program} is missing: apt-get install -y {package}")

"""What a lab consists of, as data."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from metalev.model.errors import BadValue

INTERFACE_NAME_MAX = 15  # IFNAMSIZ less the terminating zero: a host's port on the switch bears the host's name


class PodSpec(Struct, frozen=True):
    """A pod behind a node."""

    name: str
    address: IPv4Address


class HostSpec(Struct, frozen=True):
    """A machine on the switch: the client, the router."""

    name: str
    address: IPv4Address


class NodeSpec(Struct, frozen=True):
    """A node of the cluster and the pods that run on it."""

    name: str
    address: IPv4Address
    pod_cidr: IPv4Network
    pods: tuple[PodSpec, ...] = ()


class Topology(Struct, frozen=True):
    """One layer-2 segment with everything on it. Names are unique among hosts and pods together."""

    subnet: IPv4Network
    nodes: tuple[NodeSpec, ...]
    client: HostSpec
    router: HostSpec | None = None
    cluster_cidr: IPv4Network = IPv4Network("10.244.0.0/16")

    def __post_init__(self) -> None:
        names = [*(host.name for host in self.hosts), *(pod.name for _, pod in self.pods)]
        if len(set(names)) != len(names):
            raise BadValue(f"two hosts or pods of the topology bear one name: {', '.join(sorted(names))}")
        for host in self.hosts:
            if len(host.name) > INTERFACE_NAME_MAX:
                raise BadValue(f'host name "{host.name}" is longer than {INTERFACE_NAME_MAX} characters')
            if host.address not in self.subnet:
                raise BadValue(f"{host.name} has {host.address}, which is not in {self.subnet}")

    @property
    def hosts(self) -> tuple[NodeSpec | HostSpec, ...]:
        """Everything that has a port on the switch."""
        others = (self.client,) if self.router is None else (self.client, self.router)
        return (*self.nodes, *others)

    @property
    def pods(self) -> Iterator[tuple[NodeSpec, PodSpec]]:
        """Every pod with its node."""
        return ((node, pod) for node in self.nodes for pod in node.pods)


def home_network(nodes: int = 3, pods_per_node: int = 2, *, router: bool = True) -> Topology:
    """The usual home network: 192.168.1.0/24, router .1, nodes .10, .11, .12, .20, .21, ..., client .100.

    It leaves .200 to .210 to the address pool. Raises :class:`BadValue` for more nodes than fit below .50 (DHCP).
    """
    last_octets = [10, 11, 12, *range(20, 50)]
    if not 1 <= nodes <= len(last_octets):
        raise BadValue(f"a home network has 1 to {len(last_octets)} nodes, not {nodes}")
    return Topology(
        subnet=IPv4Network("192.168.1.0/24"),
        nodes=tuple(_node(number, last_octets[number - 1], pods_per_node) for number in range(1, nodes + 1)),
        client=HostSpec("client", IPv4Address("192.168.1.100")),
        router=HostSpec("router", IPv4Address("192.168.1.1")) if router else None,
    )


def _node(number: int, last_octet: int, pods: int) -> NodeSpec:
    """Node ``number`` (from 1) has the pod network 10.244.number.0/24, whose .1 is the node itself."""
    pod_cidr = IPv4Network(f"10.244.{number}.0/24")
    first = (number - 1) * pods
    return NodeSpec(
        name=f"node{number}",
        address=IPv4Address(f"192.168.1.{last_octet}"),
        pod_cidr=pod_cidr,
        pods=tuple(PodSpec(f"pod-{_letters(first + index)}", pod_cidr[2 + index]) for index in range(pods)),
    )


def _letters(index: int) -> str:
    """0, 1, ... 25, 26, ... as a, b, ... z, aa, ..."""
    higher, lowest = divmod(index, 26)
    return (_letters(higher - 1) if higher else "") + chr(ord("a") + lowest)

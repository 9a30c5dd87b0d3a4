"""What a lab consists of, as data."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from msgspec import Struct

from metalev.model.address import IPAddress, IPNetwork
from metalev.model.errors import BadValue

INTERFACE_NAME_MAX = 15  # IFNAMSIZ less the terminating zero: a host's port on the switch bears the host's name


class PodSpec(Struct, frozen=True):
    """A pod behind a node."""

    name: str
    address: IPv4Address
    address6: IPv6Address | None = None

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """One or, in a topology with IPv6, two."""
        return (self.address,) if self.address6 is None else (self.address, self.address6)


class HostSpec(Struct, frozen=True):
    """A machine on the switch: the client, the router, the one of Kubernetes' control plane."""

    name: str
    address: IPv4Address
    address6: IPv6Address | None = None

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """One or, in a topology with IPv6, two."""
        return (self.address,) if self.address6 is None else (self.address, self.address6)


class NodeSpec(HostSpec, frozen=True, kw_only=True):
    """A node of the cluster and the pods that run on it."""

    pod_cidr: IPv4Network
    pod_cidr6: IPv6Network | None = None
    pods: tuple[PodSpec, ...] = ()

    @property
    def pod_cidrs(self) -> tuple[IPNetwork, ...]:
        """Of each family that the topology has."""
        return (self.pod_cidr,) if self.pod_cidr6 is None else (self.pod_cidr, self.pod_cidr6)


class Topology(Struct, frozen=True):
    """One layer-2 segment with everything on it. Names are unique among hosts and pods together."""

    subnet: IPv4Network
    nodes: tuple[NodeSpec, ...]
    client: HostSpec
    router: HostSpec | None = None
    cluster_cidr: IPv4Network = IPv4Network("10.244.0.0/16")
    subnet6: IPv6Network | None = None
    cluster_cidr6: IPv6Network = IPv6Network("fd00:10:244::/48")
    control_plane: HostSpec | None = None

    def __post_init__(self) -> None:
        names = [*(host.name for host in self.hosts), *(pod.name for _, pod in self.pods)]
        if len(set(names)) != len(names):
            raise BadValue(f"two hosts or pods of the topology bear one name: {', '.join(sorted(names))}")
        for host in self.hosts:
            if len(host.name) > INTERFACE_NAME_MAX:
                raise BadValue(f'host name "{host.name}" is longer than {INTERFACE_NAME_MAX} characters')
            if host.address not in self.subnet:
                raise BadValue(f"{host.name} has {host.address}, which is not in {self.subnet}")
            if (host.address6 is None) != (self.subnet6 is None) or (
                host.address6 and self.subnet6 and host.address6 not in self.subnet6
            ):
                raise BadValue(f"{host.name} has {host.address6} for IPv6, and the segment {self.subnet6}")

    @property
    def subnets(self) -> tuple[IPNetwork, ...]:
        """What the segment's addresses are in, of each family that there is."""
        return (self.subnet,) if self.subnet6 is None else (self.subnet, self.subnet6)

    @property
    def cluster_cidrs(self) -> tuple[IPNetwork, ...]:
        """The whole pod network of each family that there is."""
        return (self.cluster_cidr,) if self.subnet6 is None else (self.cluster_cidr, self.cluster_cidr6)

    @property
    def hosts(self) -> tuple[HostSpec, ...]:
        """Everything that has a port on the switch."""
        others = (self.client, self.router, self.control_plane)
        return (*self.nodes, *(host for host in others if host is not None))

    @property
    def pods(self) -> Iterator[tuple[NodeSpec, PodSpec]]:
        """Every pod with its node."""
        return ((node, pod) for node in self.nodes for pod in node.pods)


def home_network(
    nodes: int = 3, pods_per_node: int = 2, *, router: bool = True, ipv6: bool = False, control_plane: bool = False
) -> Topology:
    """The usual home network: 192.168.1.0/24, router .1, nodes .10, .11, .12, .20, .21, ..., client .100.

    A machine for the control plane, if wanted, is .5.

    It leaves .200 to .210 to the address pool. With ``ipv6`` it has fd00:192:168:1::/64 beside it, and every host the
    address that reads alike: the client is ::100. Raises :class:`BadValue` for more nodes than fit below .50 (DHCP).
    """
    last_octets = [10, 11, 12, *range(20, 50)]
    if not 1 <= nodes <= len(last_octets):
        raise BadValue(f"a home network has 1 to {len(last_octets)} nodes, not {nodes}")
    return Topology(
        subnet=IPv4Network("192.168.1.0/24"),
        subnet6=IPv6Network("fd00:192:168:1::/64") if ipv6 else None,
        nodes=tuple(_node(number, last_octets[number - 1], pods_per_node, ipv6) for number in range(1, nodes + 1)),
        client=HostSpec("client", *_addresses(100, ipv6)),
        router=HostSpec("router", *_addresses(1, ipv6)) if router else None,
        control_plane=HostSpec("control", *_addresses(5, ipv6)) if control_plane else None,
    )


def socket_address(address: IPAddress | str, port: int) -> str:
    """As it is written in a URL: 192.0.2.1:80, [2001:db8::1]:80."""
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def _addresses(last_octet: int, ipv6: bool) -> tuple[IPv4Address, IPv6Address | None]:
    return (
        IPv4Address(f"192.168.1.{last_octet}"),
        IPv6Address(f"fd00:192:168:1::{last_octet}") if ipv6 else None,
    )


def _node(number: int, last_octet: int, pods: int, ipv6: bool) -> NodeSpec:
    """Node ``number`` (from 1) has the pod network 10.244.number.0/24, whose .1 is the node itself; IPv6 alike."""
    pod_cidr = IPv4Network(f"10.244.{number}.0/24")
    pod_cidr6 = IPv6Network(f"fd00:10:244:{number}::/64") if ipv6 else None
    first = (number - 1) * pods
    return NodeSpec(
        f"node{number}",
        *_addresses(last_octet, ipv6),
        pod_cidr=pod_cidr,
        pod_cidr6=pod_cidr6,
        pods=tuple(
            PodSpec(f"pod-{_letters(first + index)}", pod_cidr[2 + index], pod_cidr6[2 + index] if pod_cidr6 else None)
            for index in range(pods)
        ),
    )


def _letters(index: int) -> str:
    """0, 1, ... 25, 26, ... as a, b, ... z, aa, ..."""
    higher, lowest = divmod(index, 26)
    return (_letters(higher - 1) if higher else "") + chr(ord("a") + lowest)

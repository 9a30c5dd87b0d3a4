"""Clusters of a size that hurts, as values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from metalev.model.address import AddressRange, IPAddress
from metalev.model.cluster import BeaconKey, Namespace, Node
from metalev.model.meta import Name
from metalev.model.ownership import Candidate, Group, OwnershipTable, Peer
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.services import Endpoint, EndpointSlice, Port, Service, ServiceStatus
from metalev.model.snapshot import Snapshot

POOL = AddressRange.parse("10.0.0.0/15")  # 131,072 addresses
FIRST_NODE = IPv4Address("192.0.2.1")


def name_of(index: int) -> Name:
    """The Service number ``index``: ten to a namespace."""
    return Name(f"team-{index // 10}", f"app-{index}")


def service(index: int, *held: IPAddress) -> Service:
    """A Service of one port; its ClusterIP is of its own, its address is what it holds."""
    return Service(
        name_of(index),
        type="LoadBalancer",
        cluster_ips=(IPv4Address("172.16.0.0") + index,),
        ports=(Port("TCP", 80, "http"),),
        status=ServiceStatus(held, "main" if held else ""),
    )


def world(services: int, *, nodes: int = 3, allocated: bool) -> Snapshot:
    """A complete snapshot; each Service has a pod on three of the nodes, and address number i if ``allocated``."""
    addresses = (IPv4Address(POOL.first) + index for index in range(services))
    made = [service(index, address) if allocated else service(index) for index, address in enumerate(addresses)]
    pool, advertisement = Name("metallb-system", "main"), Name("metallb-system", "all")
    return Snapshot(
        services={one.name: one for one in made},
        endpoints={one.name: _endpoints(one.name, index, nodes) for index, one in enumerate(made)},
        nodes={Name("", name): Node(Name("", name), addresses=(address,)) for name, address in _nodes(nodes)},
        namespaces={Name("", one): Namespace(Name("", one)) for one in {one.name.namespace for one in made}},
        pools={pool: Pool(pool, ranges=(POOL,))},
        l2_advertisements={advertisement: L2Advertisement(advertisement)},
        synced=True,
    )


def ownership_table(groups: int, *, nodes: int = 10) -> OwnershipTable:
    """A table as a speaker makes it, of one address to a group; every node but ``node-0`` is a candidate."""
    peers = tuple(Peer(name, (address,)) for name, address in _nodes(nodes))[1:]
    candidates = tuple(Candidate(peer.node) for peer in peers)
    addresses: Sequence[IPv4Address] = [IPv4Address(POOL.first) + index for index in range(groups)]
    made = tuple(Group(address, (address,), candidates) for address in addresses)
    return OwnershipTable(peers, (BeaconKey(1, b"k" * 32),), made)


def _nodes(count: int) -> Iterator[tuple[str, IPv4Address]]:
    return ((f"node-{index}", FIRST_NODE + index) for index in range(count))


def _endpoints(service: Name, index: int, nodes: int) -> dict[Name, EndpointSlice]:
    pods = tuple(Endpoint((f"10.244.{(index + pod) % nodes}.2",), f"node-{(index + pod) % nodes}") for pod in range(3))
    name = Name(service.namespace, f"{service.name}-x7k2p")
    return {name: EndpointSlice(name, service, endpoints=pods, ports=(Port("TCP", 80, "http"),))}

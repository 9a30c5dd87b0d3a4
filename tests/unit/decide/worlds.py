"""Small worlds for the tests of what looks at a whole snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from metalev.model.address import AddressRange
from metalev.model.cluster import Node
from metalev.model.meta import Name
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.services import Endpoint, EndpointSlice, Service, ServiceStatus
from metalev.model.snapshot import Snapshot

NODES = ("node-a", "node-b", "node-c")


def name(text: str) -> Name:
    return Name("shop", text)


def pool(text: str, *ranges: str, version: str = "") -> Pool:
    return Pool(Name("metallb-system", text), version, tuple(AddressRange.parse(one) for one in ranges))


def service(text: str, *held: str, wish: str = "", kind: str = "LoadBalancer", version: str = "") -> Service:
    status = ServiceStatus(tuple(ip_address(one) for one in held))
    return Service(name(text), version, type=kind, load_balancer_ip=wish, status=status)


def node(text: str, version: str = "") -> Node:
    return Node(Name("", text), version, addresses=(ip_address("192.0.2.1"),))


def endpoints(text: str, on: str = "node-a") -> dict[Name, EndpointSlice]:
    slice_name = name(f"{text}-1")
    return {slice_name: EndpointSlice(slice_name, name(text), endpoints=(Endpoint(("10.1.0.1",), on),))}


def world(
    *services: Service,
    pools: Iterable[Pool] = (pool("main", "10.0.0.0/30"),),
    nodes: Iterable[str] = NODES,
    advertised: bool = True,
    synced: bool = True,
) -> Snapshot:
    """A complete snapshot where everything is announced everywhere and every Service has an endpoint on node-a."""
    advertisement = L2Advertisement(Name("metallb-system", "all"))
    return Snapshot(
        services={one.name: one for one in services},
        endpoints={one.name: endpoints(one.name.name) for one in services},
        nodes={Name("", one): node(one) for one in nodes},
        pools={one.name: one for one in pools},
        l2_advertisements={advertisement.name: advertisement} if advertised else {},
        synced=synced,
    )

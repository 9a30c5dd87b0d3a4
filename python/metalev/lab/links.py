"""Cables, addresses and routes, by netlink. Every function does its work in one visit to one namespace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from socket import AF_INET
from typing import Any, Protocol, TypeVar, cast

from metalev.lab.namespace import LabError, Namespace

T = TypeVar("T")

BRIDGE = "br0"
UPLINK = "eth0"  # what a node's interface is called: the speaker's default exclude list does not match it

BR_STATE_FORWARDING = 3
LINK_TIMEOUT_S = 10
LINK_POLL_S = 0.002


class Netlink(Protocol):
    """What is used of pyroute2's IPRoute, which has no types of its own; errors of the kernel are its NetlinkError."""

    def link(self, command: str, **attributes: object) -> object: ...  # noqa: D102
    def addr(self, command: str, **attributes: object) -> object: ...  # noqa: D102
    def route(self, command: str, **attributes: object) -> object: ...  # noqa: D102
    def neigh(self, command: str, **attributes: object) -> object: ...  # noqa: D102
    def get_links(self, *, ifname: str) -> Sequence[Any]: ...  # noqa: D102
    def link_lookup(self, *, ifname: str) -> Sequence[int]: ...  # noqa: D102
    def get_neighbours(self, **match: object) -> Iterable[Mapping[str, str]]: ...  # noqa: D102


def make_bridge(switch: Namespace) -> None:
    """The segment itself: a bridge without an address, that shows its frames to no packet filter for IP."""

    def make(netlink: Netlink) -> None:
        netlink.link("add", ifname=BRIDGE, kind="bridge", br_mcast_snooping=0, br_stp_state=0, br_forward_delay=0)
        netlink.link("set", ifname=BRIDGE, state="up")

    _with_netlink(switch, make)
    for kind in ("iptables", "ip6tables", "arptables"):
        switch.sysctl(f"bridge/bridge-nf-call-{kind}", 0, optional=True)  # there only while br_netfilter is loaded


def plug(switch: Namespace, port: str, host: Namespace, mac: str) -> None:
    """A cable from the switch's ``port`` to the host's ``eth0``; both ends are still down."""

    def connect(netlink: Netlink) -> None:
        peer = {"ifname": UPLINK, "net_ns_fd": host.name, "address": mac}
        netlink.link("add", ifname=port, kind="veth", peer=peer)
        netlink.link("set", ifname=port, master=netlink.link_lookup(ifname=BRIDGE)[0])

    _with_netlink(switch, connect)


def raise_port(switch: Namespace, port: str, host: Namespace) -> None:
    """Raise a port of the switch, and wait until frames pass: the kernel tells bridge and queues of a carrier later."""

    def bring_up(netlink: Netlink) -> None:
        netlink.link("set", ifname=port, state="up")
        _await(lambda: _port_state(netlink, port) == BR_STATE_FORWARDING, f"port {port} of the switch to forward")

    _with_netlink(switch, bring_up)
    _with_netlink(host, lambda netlink: _await(lambda: _is_up(netlink), f"{host.name} to see its carrier"))


def lower_port(switch: Namespace, port: str) -> None:
    """Lower a port of the switch; the other end loses its carrier, as when a cable is pulled."""
    _with_netlink(switch, lambda netlink: netlink.link("set", ifname=port, state="down"))


def configure(
    host: Namespace,
    address: IPv4Interface,
    gateway: IPv4Address | None,
    routes: Sequence[tuple[IPv4Network, IPv4Address]] = (),
) -> None:
    """Give the host's ``eth0`` its address, and the host its default route and ``routes`` (network, next hop)."""

    def set_up(netlink: Netlink) -> None:
        netlink.link("set", ifname="lo", state="up")
        uplink = netlink.link_lookup(ifname=UPLINK)[0]
        netlink.addr("add", index=uplink, address=str(address.ip), prefixlen=address.network.prefixlen)
        netlink.link("set", index=uplink, state="up")
        if gateway is not None:
            netlink.route("add", dst="default", gateway=str(gateway))
        for network, next_hop in routes:
            netlink.route("add", dst=str(network), gateway=str(next_hop))

    _with_netlink(host, set_up)


def plug_pods(node: Namespace, node_address: IPv4Address, pods: Sequence[tuple[Namespace, IPv4Address]]) -> None:
    """Lead to each pod over a pair of its own, as the ptp and kindnet plugins do: no bridge, one /32 route each.

    The node's ends bear the pod network's first address (``node_address``) and names that the exclude list matches.
    """

    def connect(netlink: Netlink) -> None:
        for number, (pod, address) in enumerate(pods):
            name = f"veth{number}"
            netlink.link("add", ifname=name, kind="veth", peer={"ifname": UPLINK, "net_ns_fd": pod.name})
            index = netlink.link_lookup(ifname=name)[0]
            netlink.addr("add", index=index, address=str(node_address), prefixlen=32)
            netlink.link("set", index=index, state="up")
            netlink.route("add", dst=f"{address}/32", oif=index, scope="link")

    _with_netlink(node, connect)
    for pod, address in pods:
        _configure_pod(pod, address, node_address)


def neighbour(host: Namespace, address: IPv4Address) -> str | None:
    """The MAC address that the host has in its neighbour table for ``address``, if it has one."""

    def look_up(netlink: Netlink) -> str | None:
        entries = netlink.get_neighbours(family=AF_INET, dst=str(address))
        return next((mac for entry in entries if (mac := entry.get("lladdr")) is not None), None)

    return _with_netlink(host, look_up)


def pin_neighbour(host: Namespace, address: IPv4Address, mac: str) -> None:
    """Write a permanent entry into the host's neighbour table: it asks nobody for ``address`` any more."""

    def pin(netlink: Netlink) -> None:
        index = netlink.link_lookup(ifname=UPLINK)[0]
        netlink.neigh("replace", ifindex=index, dst=str(address), lladdr=mac, state="permanent")

    _with_netlink(host, pin)


def forget_neighbours(host: Namespace) -> None:
    """Empty the host's neighbour table, pinned entries included."""

    def forget(netlink: Netlink) -> None:
        for entry in list(netlink.get_neighbours(family=AF_INET)):
            if (address := entry.get("dst")) is not None:
                netlink.neigh("delete", ifindex=entry["ifindex"], dst=address)

    _with_netlink(host, forget)


def _configure_pod(pod: Namespace, address: IPv4Address, node_address: IPv4Address) -> None:
    def set_up(netlink: Netlink) -> None:
        netlink.link("set", ifname="lo", state="up")
        uplink = netlink.link_lookup(ifname=UPLINK)[0]
        netlink.addr("add", index=uplink, address=str(address), prefixlen=32)
        netlink.link("set", index=uplink, state="up")
        netlink.route("add", dst=f"{node_address}/32", oif=uplink, scope="link")
        netlink.route("add", dst="default", gateway=str(node_address))

    _with_netlink(pod, set_up)


def _port_state(netlink: Netlink, port: str) -> object:
    (link,) = netlink.get_links(ifname=port)
    return link.get(("linkinfo", "IFLA_INFO_SLAVE_DATA", "IFLA_BRPORT_STATE"))


def _is_up(netlink: Netlink) -> bool:
    (link,) = netlink.get_links(ifname=UPLINK)
    return bool(link.get("operstate") == "UP")


def _await(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LINK_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {LINK_TIMEOUT_S} s in vain for {what}")
        threading.Event().wait(LINK_POLL_S)


def _with_netlink(namespace: Namespace, function: Callable[[Netlink], T]) -> T:
    """Open, use and close in one thread inside the namespace.

    IPRoute runs an event loop of its own, which must not meet one that the caller may be running; and its ``netns=``
    would fork.
    """
    from pyroute2.iproute.linux import IPRoute  # noqa: PLC0415, TID251  (half a second to import: only when used)

    session = cast("Callable[[], AbstractContextManager[Netlink]]", IPRoute)

    def visit() -> T:
        with session() as netlink:
            return function(netlink)

    return namespace.call(visit)

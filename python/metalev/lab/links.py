"""Cables, addresses and routes, by netlink. Every function does its work in one visit to one namespace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Interface, IPv6Interface
from socket import AF_INET, AF_INET6
from typing import Any, Protocol, TypeVar, cast

from metalev.lab.namespace import LabError, Namespace
from metalev.model.address import IPAddress, IPNetwork

T = TypeVar("T")

BRIDGE = "br0"
UPLINK = "eth0"  # what a node's interface is called: the speaker's default exclude list does not match it

BR_STATE_FORWARDING = 3
NUD_NOARP = 0x40  # neighbours that need no resolution, as multicast groups: the kernel's own
LINK_TIMEOUT_S = 60
IFA_F_NODAD = 0x02  # linux/if_addr.h
LINK_POLL_S = 0.002


class Netlink(Protocol):
    """What is used of pyroute2's IPRoute, which has no types of its own; errors of the kernel are its NetlinkError."""

    def link(self, command: str, **attributes: object) -> object: ...  # noqa: D102
    def addr(self, command: str, **attributes: object) -> object: ...  # noqa: D102
    def route(self, command: str, **attributes: object) -> object: ...  # noqa: D102
    def neigh(self, command: str, **attributes: object) -> object: ...  # noqa: D102
    def get_links(self, *, ifname: str) -> Sequence[Any]: ...  # noqa: D102
    def link_lookup(self, *, ifname: str) -> Sequence[int]: ...  # noqa: D102
    def get_neighbours(self, **match: object) -> Iterable[Any]: ...  # noqa: D102


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
        wait_until(lambda: _port_state(netlink, port) == BR_STATE_FORWARDING, f"port {port} of the switch to forward")

    _with_netlink(switch, bring_up)
    _with_netlink(host, lambda netlink: wait_until(lambda: _is_up(netlink), f"{host.name} to see its carrier"))


def lower_port(switch: Namespace, port: str) -> None:
    """Lower a port of the switch; the other end loses its carrier, as when a cable is pulled."""
    _with_netlink(switch, lambda netlink: netlink.link("set", ifname=port, state="down"))


def use_addresses_at_once(host: Namespace) -> None:
    """Let interfaces made from now on have their IPv6 addresses without DAD, which takes a second for each."""
    for scope in ("all", "default"):  # the greater of `all` and the interface's own counts
        host.sysctl(f"ipv6/conf/{scope}/accept_dad", 0, optional=True)


def configure(
    host: Namespace,
    addresses: Sequence[IPv4Interface | IPv6Interface],
    gateways: Sequence[IPAddress] = (),
    routes: Sequence[tuple[IPNetwork, IPAddress]] = (),
) -> None:
    """Give the host's ``eth0`` its addresses, and the host default routes and ``routes`` (network, next hop)."""

    def set_up(netlink: Netlink) -> None:
        netlink.link("set", ifname="lo", state="up")
        uplink = netlink.link_lookup(ifname=UPLINK)[0]
        for address in addresses:
            _add_address(netlink, uplink, address.ip, address.network.prefixlen)
        netlink.link("set", index=uplink, state="up")
        for gateway in gateways:
            netlink.route("add", family=_family(gateway), dst="default", gateway=str(gateway))
        for network, next_hop in routes:
            netlink.route("add", family=_family(network), dst=str(network), gateway=str(next_hop))

    _with_netlink(host, set_up)


def plug_pods(
    node: Namespace, node_addresses: Sequence[IPAddress], pods: Sequence[tuple[Namespace, Sequence[IPAddress]]]
) -> None:
    """Lead to each pod over a pair of its own, as the ptp and kindnet plugins do: no bridge, a host route each.

    The node's ends bear the pod network's first addresses (``node_addresses``, one of each family) and names that the
    exclude list matches.
    """

    def connect(netlink: Netlink) -> None:
        for number, (pod, addresses) in enumerate(pods):
            name = f"veth{number}"
            netlink.link("add", ifname=name, kind="veth", peer={"ifname": UPLINK, "net_ns_fd": pod.name})
            index = netlink.link_lookup(ifname=name)[0]
            _address_link(netlink, index, own=node_addresses, beyond=addresses)

    _with_netlink(node, connect)
    for pod, addresses in pods:
        _configure_pod(pod, addresses, node_addresses)


def _add_address(netlink: Netlink, index: int, address: IPAddress, prefix_length: int) -> None:
    """Give an interface an address that can be bound to at once.

    Without DAD, too, one of IPv6 is tentative until a worker of the kernel comes to it, unless it is added like this.
    """
    flags = {"flags": IFA_F_NODAD} if address.version == 6 else {}
    netlink.addr("add", index=index, address=str(address), prefixlen=prefix_length, **flags)


def neighbour(host: Namespace, address: IPAddress) -> str | None:
    """The MAC address that the host has in its neighbour table for ``address``, if it has one."""

    def look_up(netlink: Netlink) -> str | None:
        entries = netlink.get_neighbours(family=_family(address), dst=str(address))
        return next((mac for entry in entries if (mac := entry.get("lladdr")) is not None), None)

    return _with_netlink(host, look_up)


def pin_neighbour(host: Namespace, address: IPAddress, mac: str) -> None:
    """Write a permanent entry into the host's neighbour table: it asks nobody for ``address`` any more."""

    def pin(netlink: Netlink) -> None:
        index = netlink.link_lookup(ifname=UPLINK)[0]
        neighbour = {"family": _family(address), "dst": str(address), "lladdr": mac}
        netlink.neigh("replace", ifindex=index, state="permanent", **neighbour)

    _with_netlink(host, pin)


def forget_neighbours(host: Namespace) -> None:
    """Empty the host's neighbour table, pinned entries included."""

    def forget(netlink: Netlink) -> None:
        for family in (AF_INET, AF_INET6):
            for entry in list(netlink.get_neighbours(family=family)):
                address = entry.get("dst")
                if address is not None and not entry["state"] & NUD_NOARP:
                    netlink.neigh("delete", family=family, ifindex=entry["ifindex"], dst=address)

    _with_netlink(host, forget)


def _configure_pod(pod: Namespace, addresses: Sequence[IPAddress], node_addresses: Sequence[IPAddress]) -> None:
    def set_up(netlink: Netlink) -> None:
        netlink.link("set", ifname="lo", state="up")
        _address_link(netlink, netlink.link_lookup(ifname=UPLINK)[0], own=addresses, beyond=node_addresses)
        for gateway in node_addresses:
            netlink.route("add", family=_family(gateway), dst="default", gateway=str(gateway))

    _with_netlink(pod, set_up)


def _address_link(netlink: Netlink, index: int, own: Sequence[IPAddress], beyond: Sequence[IPAddress]) -> None:
    """One end of a link between two: its own addresses, and routes to those of the other end."""
    for address in own:
        _add_address(netlink, index, address, address.max_prefixlen)
    netlink.link("set", index=index, state="up")
    for address in beyond:
        host_route = f"{address}/{address.max_prefixlen}"
        scope = {"scope": "link"} if address.version == 4 else {}  # IPv6 routes have none
        netlink.route("add", family=_family(address), dst=host_route, oif=index, **scope)


def _family(address: IPAddress | IPNetwork) -> int:
    return AF_INET if address.version == 4 else AF_INET6


def _port_state(netlink: Netlink, port: str) -> object:
    (link,) = netlink.get_links(ifname=port)
    return link.get(("linkinfo", "IFLA_INFO_SLAVE_DATA", "IFLA_BRPORT_STATE"))


def _is_up(netlink: Netlink) -> bool:
    (link,) = netlink.get_links(ifname=UPLINK)
    return bool(link.get("operstate") == "UP")


def wait_until(condition: Callable[[], bool], what: str, timeout: float = LINK_TIMEOUT_S) -> None:
    """Wait for what the kernel does by itself, soon; :class:`LabError` naming ``what`` when it does not."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout} s in vain for {what}")
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

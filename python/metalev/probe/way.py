"""By which interface the kernel reaches an address, and whether over a gateway: read from its own tables."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path

from msgspec import Struct

from metalev.model.address import IPAddress, IPNetwork

ROUTES = {4: Path("/proc/self/net/route"), 6: Path("/proc/self/net/ipv6_route")}
NEIGHBOURS = Path("/proc/self/net/arp")
_UP, _GATEWAY, _REJECT, _LOCAL = 0x1, 0x2, 0x200, 0x80000000


class Way(Struct, frozen=True):
    """How packets for an address leave. ``source`` is the own address that they bear."""

    interface: str
    direct: bool
    source: str


class Route(Struct, frozen=True):
    """An entry of the kernel's table."""

    network: IPNetwork
    interface: str
    direct: bool
    metric: int


def way_to(address: IPAddress) -> Way | None:
    """The way that a packet to ``address`` would take; None if there is none."""
    route = best(address, ROUTES[address.version].read_text())
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((str(address), 9))  # sends nothing: a datagram socket only looks up the way
        except OSError:
            return None
        source = str(sock.getsockname()[0])
    return Way(route.interface, route.direct, source) if route else None


def best(address: IPAddress, table: str) -> Route | None:
    """The route for ``address`` in the text of a table: the longest prefix, then the smallest metric."""
    parse = _ipv4 if address.version == 4 else _ipv6
    fitting = [route for route in parse(table) if address in route.network]
    return max(fitting, key=lambda route: (route.network.prefixlen, -route.metric), default=None)


def _ipv4(table: str) -> Iterator[Route]:
    for line in table.splitlines()[1:]:
        interface, destination, _, flags, _, _, metric, mask, *_ = line.split()
        if not int(flags, 16) & _UP or int(flags, 16) & _REJECT:
            continue
        prefix = f"{_hexadecimal4(destination)}/{_hexadecimal4(mask)}"
        yield Route(IPv4Network(prefix), interface, not int(flags, 16) & _GATEWAY, int(metric))


def _ipv6(table: str) -> Iterator[Route]:
    for line in table.splitlines():
        destination, length, _, _, _, metric, _, _, flags, interface = line.split()
        if not int(flags, 16) & _UP or int(flags, 16) & (_REJECT | _LOCAL):
            continue
        network = IPv6Network((bytes.fromhex(destination), int(length, 16)))
        yield Route(network, interface, not int(flags, 16) & _GATEWAY, int(metric, 16))


def other_address(mac: str, address: IPAddress, table: str) -> str:
    """Another address that this host has seen at ``mac`` (text of the kernel's ARP table): it says whose it may be."""
    for line in table.splitlines()[1:]:
        seen, _, _, at, *_ = line.split()
        if at.lower() == mac and seen != str(address):
            return seen
    return ""


def _hexadecimal4(text: str) -> IPv4Address:
    """The kernel prints the four bytes as a number of its own byte order: little-endian everywhere that we run."""
    return IPv4Address(int.from_bytes(bytes.fromhex(text), "little"))

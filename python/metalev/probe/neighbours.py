"""Who answers for an address on the segment: ARP requests (RFC 826), or neighbour solicitations (RFC 4861).

The questions bear this host's own addresses, as those of its kernel do. So the kernel reads the answers, too, and may
learn a new announcer from one before it hears the announcement: ask seldom, or not at all, where that matters.
"""

from __future__ import annotations

import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from selectors import EVENT_READ, BaseSelector
from typing import Protocol, TypeAlias

from metalev.model.address import IPAddress
from metalev.probe.way import Way

Answered = Callable[[float, str], None]
"""Called with the time and the MAC address of an answer."""

_ETHERTYPE_ARP = 0x0806
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_HEADER = (1, 0x0800, 6, 4)  # of IPv4 over Ethernet
_REQUEST, _REPLY = 1, 2
_BROADCAST = b"\xff" * 6
_ADVERTISEMENT_HEADER = 24  # type, code, checksum, flags, target (RFC 4861 section 4.4)
_SOLICITATION, _ADVERTISEMENT = 135, 136
_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER = 1, 2
_ICMP6_FILTER = 1
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0").packed[:13]  # RFC 4291 section 2.7.1
_AT_ONCE = 1000

_To: TypeAlias = tuple[str, int, int, int] | tuple[str, int, int, int, bytes]


class Asker(Protocol):
    """Asks for one address."""

    def read(self, now: float) -> None:
        """Take in what has arrived: it answers what was asked before."""

    def ask(self) -> None:
        """Ask everybody once."""

    def close(self) -> None:
        """Ask no more."""


def asker(selector: BaseSelector, way: Way, address: IPAddress, answered: Answered) -> Asker:
    """One for the address's family. ``PermissionError`` without CAP_NET_RAW; ``OSError`` if there is no interface."""
    if isinstance(address, IPv4Address):
        return ArpAsker(selector, way, address, answered)
    return NdpAsker(selector, way, address, answered)


class _SocketAsker(ABC):
    """Asks one question by a socket, and reads the answers from it when the selector says that there are any."""

    def __init__(self, selector: BaseSelector, answered: Answered) -> None:
        self._selector = selector
        self._answered = answered
        self._socket, self._question, self._to = self._open()
        selector.register(self._socket, EVENT_READ, self._readable)

    def ask(self) -> None:
        """Ask everybody once."""
        self._socket.sendto(self._question, self._to)

    def read(self, now: float) -> None:
        """Take in what has arrived."""
        for message in _arrived(self._socket):
            if (mac := self._answer(message)) is not None:
                self._answered(now, mac)

    def close(self) -> None:
        """Ask no more."""
        self._selector.unregister(self._socket)
        self._socket.close()

    def _readable(self, _socket: socket.socket, now: float) -> None:
        self.read(now)

    @abstractmethod
    def _open(self) -> tuple[socket.socket, bytes, _To]:
        """The socket, the question, and to whom it goes."""

    @abstractmethod
    def _answer(self, message: bytes) -> str | None:
        """The MAC address that a message answers with."""


class ArpAsker(_SocketAsker):
    """Asks for an IPv4 address. The kernel makes the Ethernet header."""

    def __init__(self, selector: BaseSelector, way: Way, address: IPv4Address, answered: Answered) -> None:
        self._way = way
        self._address = address
        super().__init__(selector, answered)

    def _open(self) -> tuple[socket.socket, bytes, _To]:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
        sock.bind((self._way.interface, _ETHERTYPE_ARP))
        mac, source = sock.getsockname()[4], IPv4Address(self._way.source)
        question = _ARP.pack(*_ARP_HEADER, _REQUEST, mac, source.packed, bytes(6), self._address.packed)
        return sock, question, (self._way.interface, _ETHERTYPE_ARP, 0, 0, _BROADCAST)

    def _answer(self, message: bytes) -> str | None:
        return arp_answer(message, self._address)


class NdpAsker(_SocketAsker):
    """Asks for an IPv6 address. The kernel makes and checks the headers and checksums."""

    def __init__(self, selector: BaseSelector, way: Way, address: IPv6Address, answered: Answered) -> None:
        self._way = way
        self._address = address
        super().__init__(selector, answered)

    def _open(self) -> tuple[socket.socket, bytes, _To]:
        index = socket.if_nametoindex(self._way.interface)
        sock = _advertisements_only(index)
        source = self._way.source
        sock.bind((source, 0, 0, index if IPv6Address(source).is_link_local else 0))
        own = bytes((_SOURCE_LINK_LAYER, 1)) + _mac_of(self._way.interface)
        question = struct.pack("!BBHI16s", _SOLICITATION, 0, 0, 0, self._address.packed) + own
        group = IPv6Address(_SOLICITED_NODE + self._address.packed[13:])
        return sock, question, (str(group), 0, 0, index)

    def _answer(self, message: bytes) -> str | None:
        return ndp_answer(message, self._address)


def _advertisements_only(index: int) -> socket.socket:
    """A socket that neighbour advertisements come in by, and that asks on the interface of this index."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6)
    passed = bytearray(b"\xff" * 32)  # a set bit keeps a type out
    word = _ADVERTISEMENT // 32 * 4
    passed[word : word + 4] = struct.pack("=I", 0xFFFFFFFF ^ (1 << _ADVERTISEMENT % 32))
    sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(passed))
    # What a router may have forwarded is not believed: section 7.1.1.
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    return sock


def arp_answer(packet: bytes, address: IPv4Address) -> str | None:
    """The MAC address that an ARP packet gives for ``address``, if it is a reply."""
    if len(packet) < _ARP.size:
        return None
    *header, operation, mac, sender, _, _ = _ARP.unpack_from(packet)
    if tuple(header) != _ARP_HEADER or operation != _REPLY or sender != address.packed:
        return None
    return str(mac.hex(":"))


def ndp_answer(message: bytes, address: IPv6Address) -> str | None:
    """The MAC address that an ICMPv6 message gives for ``address``, if it is an advertisement that names one."""
    if len(message) < _ADVERTISEMENT_HEADER or message[0] != _ADVERTISEMENT or message[8:24] != address.packed:
        return None
    options = message[_ADVERTISEMENT_HEADER:]
    while len(options) >= 8 and options[1] > 0:
        if options[0] == _TARGET_LINK_LAYER:
            return options[2:8].hex(":")
        options = options[options[1] * 8 :]
    return None


def _arrived(sock: socket.socket) -> Iterator[bytes]:
    """What is in the socket's queue, as far as a flood lets one end."""
    for _ in range(_AT_ONCE):
        try:
            yield sock.recv(2048)
        except OSError:  # nothing more, or the interface is down: then nothing comes
            return


def _mac_of(interface: str) -> bytes:
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as sock:
        sock.bind((interface, _ETHERTYPE_ARP))
        return bytes(sock.getsockname()[4])

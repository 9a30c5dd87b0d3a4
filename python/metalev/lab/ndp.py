"""Neighbour Discovery as the lab's observer sees it, and the question that it asks (RFC 4861 sections 4.3, 4.4, 4.6.1).

A second, independent reading of the wire, as in ``arp``.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from msgspec import Struct

ETHERTYPE_IPV6 = 0x86DD
SOLICITATION, ADVERTISEMENT = 135, 136
ALL_NODES = IPv6Address("ff02::1")
_ICMPV6 = 58
_HOP_LIMIT = 255  # what a router has forwarded is no longer believed: section 6.1
_IP = struct.Struct("!IHBB16s16s")
_MESSAGE = struct.Struct("!BBHI16s")
_SOURCE, _TARGET = 1, 2  # the options with link-layer addresses
_SOLICITED, _OVERRIDE = 1 << 30, 1 << 29


class NdpPacket(Struct, frozen=True):
    """A neighbour solicitation (135) or advertisement (136). ``link_layer`` is the MAC address in its option."""

    kind: int
    source: IPv6Address
    destination: IPv6Address
    target: IPv6Address
    solicited: bool = False
    override: bool = False
    link_layer: str | None = None

    @property
    def unsolicited(self) -> bool:
        """Whether it announces its target to everybody (section 7.2.6)."""
        return self.kind == ADVERTISEMENT and not self.solicited and self.destination == ALL_NODES


def parse(payload: bytes) -> NdpPacket | None:
    """What is behind the Ethernet header; None for anything else, also for what must not be believed."""
    if len(payload) < _IP.size + _MESSAGE.size:
        return None
    _, length, protocol, hop_limit, source, destination = _IP.unpack_from(payload)
    message = payload[_IP.size : _IP.size + length]
    if (protocol, hop_limit) != (_ICMPV6, _HOP_LIMIT) or len(message) != length or length < _MESSAGE.size:
        return None
    kind, code, _, flags, target = _MESSAGE.unpack_from(message)
    if kind not in (SOLICITATION, ADVERTISEMENT) or code != 0 or _checksum(source, destination, message) != 0:
        return None
    return NdpPacket(
        kind,
        IPv6Address(source),
        IPv6Address(destination),
        IPv6Address(target),
        solicited=bool(flags & _SOLICITED),
        override=bool(flags & _OVERRIDE),
        link_layer=_link_layer(message[_MESSAGE.size :], _SOURCE if kind == SOLICITATION else _TARGET),
    )


def solicitation(sender_mac: str, sender: IPv6Address, target: IPv6Address) -> bytes:
    """The frame that asks who has ``target``. From the address ``::`` it is a DAD probe (RFC 4862 section 5.4.2)."""
    mac = _mac_bytes(sender_mac)
    option = b"" if sender.is_unspecified else bytes((_SOURCE, 1)) + mac
    message = _MESSAGE.pack(SOLICITATION, 0, 0, 0, target.packed) + option
    return _frame(mac, sender, solicited_node(target), message)


def advertisement(sender_mac: str, target: IPv6Address) -> bytes:
    """The frame that tells everybody that ``target`` is at ``sender_mac`` (RFC 4861 section 7.2.6)."""
    mac = _mac_bytes(sender_mac)
    message = _MESSAGE.pack(ADVERTISEMENT, 0, 0, _OVERRIDE, target.packed) + bytes((_TARGET, 1)) + mac
    return _frame(mac, target, ALL_NODES, message)


def answer(sender_mac: str, target: IPv6Address, asker_mac: str, asker: IPv6Address) -> bytes:
    """The frame that answers a solicitation, without override (RFC 4861 section 7.2.4)."""
    mac = _mac_bytes(sender_mac)
    message = _MESSAGE.pack(ADVERTISEMENT, 0, 0, _SOLICITED, target.packed) + bytes((_TARGET, 1)) + mac
    return _frame(mac, target, asker, message, to=_mac_bytes(asker_mac))


def _frame(mac: bytes, source: IPv6Address, destination: IPv6Address, message: bytes, to: bytes = b"") -> bytes:
    """To a group at its MAC address (RFC 2464 section 7), or ``to`` a host at its own."""
    header = _IP.pack(6 << 28, len(message), _ICMPV6, _HOP_LIMIT, source.packed, destination.packed)
    ethernet = (to or b"\x33\x33" + destination.packed[-4:]) + mac + ETHERTYPE_IPV6.to_bytes(2)
    return with_checksum(ethernet + header + message)


def _mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def with_checksum(frame: bytes) -> bytes:
    """The frame with the checksum that its ICMPv6 message should have."""
    head, message = frame[: 14 + _IP.size], frame[14 + _IP.size :]
    message = message[:2] + bytes(2) + message[4:]
    checksum = _checksum(head[22:38], head[38:54], message)
    return head + message[:2] + checksum.to_bytes(2) + message[4:]


def solicited_node(address: IPv6Address) -> IPv6Address:
    """The multicast group at which ``address`` is asked for (RFC 4291 section 2.7.1)."""
    return IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + address.packed[13:])


def _link_layer(options: bytes, wanted: int) -> str | None:
    while len(options) >= 8 and options[1] > 0:
        kind, length = options[0], options[1] * 8
        if kind == wanted:
            return options[2:8].hex(":")
        options = options[length:]
    return None


def _checksum(source: bytes, destination: bytes, message: bytes) -> int:
    """Over the message and its pseudo header (RFC 8200 section 8.1); 0 for a message that carries the right one."""
    data = source + destination + struct.pack("!II", len(message), _ICMPV6) + message + bytes(len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF

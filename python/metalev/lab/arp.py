"""Ethernet frames as the lab's observer sees them, and ARP requests as it sends them (RFC 826).

This is a second, independent reading of the wire on purpose: tests that used the product's own codec would agree with
its mistakes.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from msgspec import Struct

from metalev.lab import ndp

ETHERTYPE_ARP = 0x0806
REQUEST, REPLY = 1, 2
BROADCAST = "ff:ff:ff:ff:ff:ff"
_HEADER = struct.Struct("!6s6sH")
_PACKET = struct.Struct("!HHBBH6s4s6s4s")


class ArpPacket(Struct, frozen=True):
    """An ARP packet for IPv4 over Ethernet; ``operation`` is 1 (request) or 2 (reply)."""

    operation: int
    sender_mac: str
    sender: IPv4Address
    target_mac: str
    target: IPv4Address

    @property
    def gratuitous(self) -> bool:
        """Whether it announces its sender's own address (RFC 5227 section 3)."""
        return self.sender == self.target


class Frame(Struct, frozen=True):
    """One frame on an interface. ``at`` is in seconds of CLOCK_BOOTTIME; ``outgoing`` as seen from the interface."""

    at: float
    outgoing: bool
    destination: str
    source: str
    ethertype: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes, *, at: float, outgoing: bool) -> Frame:
        """Split the header off; at least 14 bytes, which the packet socket guarantees."""
        destination, source, ethertype = _HEADER.unpack_from(data)
        return cls(at, outgoing, _mac_text(destination), _mac_text(source), ethertype, data[_HEADER.size :])

    @property
    def arp(self) -> ArpPacket | None:
        """The ARP packet in it; None for anything else, also for a malformed one."""
        if self.ethertype != ETHERTYPE_ARP or len(self.payload) < _PACKET.size:
            return None
        hardware, protocol, mac_length, ip_length, operation, *addresses = _PACKET.unpack_from(self.payload)
        if (hardware, protocol, mac_length, ip_length) != (1, 0x0800, 6, 4):
            return None
        sender_mac, sender, target_mac, target = addresses
        return ArpPacket(
            operation, _mac_text(sender_mac), IPv4Address(sender), _mac_text(target_mac), IPv4Address(target)
        )

    @property
    def ndp(self) -> ndp.NdpPacket | None:
        """The neighbour solicitation or advertisement in it; None for anything else, also for a malformed one."""
        return ndp.parse(self.payload) if self.ethertype == ndp.ETHERTYPE_IPV6 else None


def request(sender_mac: str, sender: IPv4Address, target: IPv4Address) -> bytes:
    """The frame that asks everybody who has ``target``."""
    mac = _mac_bytes(sender_mac)
    header = _HEADER.pack(_mac_bytes(BROADCAST), mac, ETHERTYPE_ARP)
    return header + _PACKET.pack(1, 0x0800, 6, 4, REQUEST, mac, sender.packed, bytes(6), target.packed)


def reply(sender_mac: str, sender: IPv4Address, target_mac: str, target: IPv4Address) -> bytes:
    """The frame that tells ``target`` (to all: the broadcast address) who has ``sender``."""
    mac, to = _mac_bytes(sender_mac), _mac_bytes(target_mac)
    return _HEADER.pack(to, mac, ETHERTYPE_ARP) + _PACKET.pack(
        1, 0x0800, 6, 4, REPLY, mac, sender.packed, to, target.packed
    )


def _mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _mac_text(mac: bytes) -> str:
    return mac.hex(":")

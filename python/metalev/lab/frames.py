"""Frames that nobody should send: what faults, attacks and other people's networks put on a wire.

Each function makes one from a good frame; :func:`bad_questions` has a collection, to be sent by ``Host.send``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from metalev.lab import arp, ndp
from metalev.lab.host import Host
from metalev.model.address import IPAddress

ETHERNET_HEADER = 14
FRAME_MAX = 1514  # the header and 1500 bytes: what an interface of the lab sends whole
VLAN_TAG, SERVICE_TAG = 0x8100, 0x88A8
_HOP_LIMIT_AT = ETHERNET_HEADER + 7
_CHECKSUM_AT = ETHERNET_HEADER + 42
_OPTION_LENGTH_AT = ETHERNET_HEADER + 65
_PAYLOAD_LENGTH_AT = ETHERNET_HEADER + 4


def truncated(frame: bytes, length: int) -> bytes:
    """Its first ``length`` bytes."""
    return frame[:length]


def oversized(frame: bytes, length: int = FRAME_MAX) -> bytes:
    """With so much behind its end that it has ``length`` bytes."""
    return frame + b"\xaa" * (length - len(frame))


def tagged(frame: bytes, vlan: int, tag: int = VLAN_TAG) -> bytes:
    """As a frame of a VLAN (IEEE 802.1Q, or 802.1ad with the tag of a service provider)."""
    return frame[:12] + struct.pack("!HH", tag, vlan) + frame[12:]


def looped(frame: bytes, mac: str) -> bytes:
    """As if the segment brought back to ``mac`` what it had sent: with it as the Ethernet source."""
    return frame[:6] + bytes.fromhex(mac.replace(":", "")) + frame[12:]


def changed(frame: bytes, at: int, value: bytes) -> bytes:
    """With other bytes from position ``at`` on."""
    return frame[:at] + value + frame[at + len(value) :]


def bad_questions(asker: Host, address: IPAddress, holder_mac: str) -> Mapping[str, bytes]:
    """Questions for ``address``, each with one thing wrong that makes an answer a mistake, by what is wrong."""
    good = asker.question(address)
    own = bad_arp(good) if address.version == 4 else bad_solicitations(good)
    return {
        "tagged": tagged(good, vlan=7),
        "tagged twice": tagged(tagged(good, vlan=7), vlan=8, tag=SERVICE_TAG),
        "looped": looped(good, holder_mac),
        "for another host": changed(good, 0, bytes.fromhex("0200deadbeef")),
        **own,
    }


def bad_arp(good: bytes) -> Mapping[str, bytes]:
    """What can be wrong in an ARP request (RFC 826)."""
    start = ETHERNET_HEADER
    return {
        "without a payload": truncated(good, start),
        "truncated": truncated(good, len(good) - 1),
        "hardware that is no Ethernet": changed(good, start, b"\x00\x20"),
        "protocol that is no IPv4": changed(good, start + 2, b"\x86\xdd"),
        "long hardware addresses": changed(good, start + 4, b"\x08"),
        "short protocol addresses": changed(good, start + 5, b"\x00"),
        "unknown operation": changed(good, start + 6, b"\x00\x63"),
        "answer instead of a question": changed(good, start + 6, arp.REPLY.to_bytes(2)),
    }


def bad_solicitations(good: bytes) -> Mapping[str, bytes]:
    """What can be wrong in a neighbour solicitation (RFC 4861 section 7.1.1)."""
    return {
        "truncated": truncated(good, len(good) - 1),
        "without a message": truncated(good, ETHERNET_HEADER + 40),
        "forwarded by a router": changed(good, _HOP_LIMIT_AT, b"\xfe"),
        "wrong checksum": changed(good, _CHECKSUM_AT, bytes((good[_CHECKSUM_AT] ^ 0xFF,))),
        "option without length": ndp.with_checksum(changed(good, _OPTION_LENGTH_AT, b"\x00")),
        "option beyond the end": ndp.with_checksum(changed(good, _OPTION_LENGTH_AT, b"\x09")),
        "length beyond the end": changed(good, _PAYLOAD_LENGTH_AT, b"\xff\xff"),
        "unknown code": ndp.with_checksum(changed(good, ETHERNET_HEADER + 41, b"\x01")),
        "multicast target": ndp.with_checksum(changed(good, ETHERNET_HEADER + 48, b"\xff")),
    }

"""Addresses and ranges of them.

A range is two integers, so that an IPv6 /64 costs what an IPv4 /30 costs: nothing here walks a range.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal, TypeAlias

from msgspec import Struct

from metalev.model.errors import BadValue

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPNetwork: TypeAlias = IPv4Network | IPv6Network
Family: TypeAlias = Literal[4, 6]

WRITE_RANGES = "write a network (192.0.2.0/24) or a range (192.0.2.10-192.0.2.20)"
"""What is right where addresses of a pool are expected."""


class AddressRange(Struct, frozen=True, order=True):
    """The addresses ``first`` to ``last``, both included, of one family."""

    family: Family
    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> AddressRange:
        """Read a CIDR (host bits are masked) or ``start-end``, as MetalLB's ``IPAddressPool`` spells them.

        Raises :class:`BadValue` with MetalLB's wording when the text is neither.
        """
        if "-" in text:
            return cls._parse_range(text)
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            raise BadValue(f'invalid CIDR "{text}": {WRITE_RANGES}') from None
        if "/" not in text:
            raise BadValue(f'invalid CIDR "{text}": a single address is written {text.strip()}/{network.prefixlen}')
        return cls(network.version, int(network.network_address), int(network.broadcast_address))

    @classmethod
    def _parse_range(cls, text: str) -> AddressRange:
        start_text, _, end_text = text.partition("-")
        try:
            start, end = ip_address(start_text.strip()), ip_address(end_text.strip())
        except ValueError:
            raise BadValue(f'invalid IP range "{text}": an end of it is no IP address: {WRITE_RANGES}') from None
        if start.version != end.version:
            raise BadValue(f'invalid IP range "{text}": its ends are of two families')
        if int(start) > int(end):
            raise BadValue(f'invalid IP range "{text}": start IP "{start}" is after the end IP "{end}"')
        return cls(start.version, int(start), int(end))

    def __contains__(self, address: IPAddress) -> bool:
        return address.version == self.family and self.first <= int(address) <= self.last

    def overlaps(self, other: AddressRange) -> bool:
        """Whether any address is in both."""
        return self.family == other.family and self.first <= other.last and other.first <= self.last

    def shortest_prefix(self) -> int:
        """The prefix length of the largest CIDR that is in it: 32 for one IPv4 address."""
        bits = 32 if self.family == 4 else 128
        step = self.size.bit_length() - 1
        while _aligned(self.first, step) + (1 << step) - 1 > self.last:
            step -= 1
        return bits - step

    @property
    def size(self) -> int:
        """The number of addresses."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{address_of(self.family, self.first)}-{address_of(self.family, self.last)}"


def _aligned(value: int, step: int) -> int:
    """The first multiple of 2 ** ``step`` from ``value`` on."""
    return -(-value >> step) << step


def address_of(family: Family, value: int) -> IPAddress:
    """The address whose integer value is ``value``."""
    return IPv4Address(value) if family == 4 else IPv6Address(value)


def sort_key(address: IPAddress) -> tuple[int, int]:
    """A total order over both families: IPv4 before IPv6, then by value."""
    return address.version, int(address)

"""Addresses and ranges as MetalLB's pools spell them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalev.model.address import AddressRange, IPAddress, address_of, sort_key
from metalev.model.errors import BadValue


@pytest.mark.parametrize(
    ("text", "family", "first", "last"),
    [
        ("10.0.0.0/30", 4, "10.0.0.0", "10.0.0.3"),
        ("192.168.10.5/24", 4, "192.168.10.0", "192.168.10.255"),
        ("10.0.0.1/32", 4, "10.0.0.1", "10.0.0.1"),
        (" 10.0.0.0/30 ", 4, "10.0.0.0", "10.0.0.3"),
        ("192.168.1.200-192.168.1.210", 4, "192.168.1.200", "192.168.1.210"),
        ("192.168.1.200 - 192.168.1.210", 4, "192.168.1.200", "192.168.1.210"),
        ("2001:db8::/64", 6, "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:db8::1-2001:db8::f", 6, "2001:db8::1", "2001:db8::f"),
    ],
)
def test_a_range_is_read(text: str, family: int, first: str, last: str) -> None:
    addresses = AddressRange.parse(text)
    assert (addresses.family, addresses.first, addresses.last) == (
        family,
        int(ip_address(first)),
        int(ip_address(last)),
    )


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("10.0.0.0/28", 28),
        ("10.0.0.1/32", 32),
        ("10.0.0.1-10.0.0.10", 30),
        ("10.0.0.1-10.0.0.2", 32),
        ("0.0.0.0/0", 0),
        ("2001:db8::/64", 64),
        ("2001:db8::1-2001:db8::f", 125),
    ],
)
def test_the_largest_cidr_in_a_range_is_known(text: str, prefix: int) -> None:
    assert AddressRange.parse(text).shortest_prefix() == prefix


RIGHT = ": write a network (192.0.2.0/24) or a range (192.0.2.10-192.0.2.20)"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10.0.0.0/33", f'invalid CIDR "10.0.0.0/33"{RIGHT}'),
        ("web", f'invalid CIDR "web"{RIGHT}'),
        ("", f'invalid CIDR ""{RIGHT}'),
        ("10.0.0.1", 'invalid CIDR "10.0.0.1": a single address is written 10.0.0.1/32'),
        ("::1", 'invalid CIDR "::1": a single address is written ::1/128'),
        (
            "10.0.0.9-10.0.0.1",
            'invalid IP range "10.0.0.9-10.0.0.1": start IP "10.0.0.9" is after the end IP "10.0.0.1"',
        ),
        ("10.0.0.1-web", f'invalid IP range "10.0.0.1-web": an end of it is no IP address{RIGHT}'),
        ("10.0.0.1-::1", 'invalid IP range "10.0.0.1-::1": its ends are of two families'),
    ],
)
def test_a_bad_range_is_refused_in_words_that_help(text: str, complaint: str) -> None:
    with pytest.raises(BadValue) as error:
        AddressRange.parse(text)
    assert str(error.value) == complaint


def test_a_range_contains_its_ends_and_nothing_of_the_other_family() -> None:
    addresses = AddressRange.parse("0.0.0.1-0.0.0.3")
    inside = [text for text in ("0.0.0.0", "0.0.0.1", "0.0.0.3", "0.0.0.4", "::2") if ip_address(text) in addresses]
    assert inside == ["0.0.0.1", "0.0.0.3"]


ranges = st.tuples(st.sampled_from([4, 6]), st.integers(0, 20), st.integers(0, 9)).map(
    lambda one: AddressRange(4 if one[0] == 4 else 6, one[1], one[1] + one[2])
)


@given(ranges, ranges)
def test_two_ranges_overlap_if_they_have_an_address_in_common(one: AddressRange, other: AddressRange) -> None:
    values = set(range(one.first, one.last + 1)) & set(range(other.first, other.last + 1))
    assert one.overlaps(other) is (one.family == other.family and bool(values))


@given(ranges)
def test_a_range_reads_back_what_it_prints(addresses: AddressRange) -> None:
    assert AddressRange.parse(str(addresses)) == addresses
    assert addresses.size == len(range(addresses.first, addresses.last + 1))


@given(st.ip_addresses())
def test_an_address_is_its_family_and_its_value(address: IPAddress) -> None:
    assert address_of(address.version, int(address)) == address


def test_ipv4_sorts_before_ipv6_and_both_by_value() -> None:
    texts = ["10.0.0.10", "::1", "10.0.0.9", "255.255.255.255"]
    ordered = [str(one) for one in sorted(map(ip_address, texts), key=sort_key)]
    assert ordered == ["10.0.0.9", "10.0.0.10", "255.255.255.255", "::1"]

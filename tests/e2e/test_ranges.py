"""The addresses that the tests put into pools: who is told none takes those that are likely to be free."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from tests.e2e.ranges import REST_S, Ranges

TEXT = "192.0.2.1-192.0.2.30, 2001:db8::1-2001:db8::ff"


def test_the_first_eleven_are_for_documents_and_no_test_takes_them() -> None:
    ranges = Ranges(TEXT)
    assert ranges.document == [f"192.0.2.{last}" for last in range(1, 12)]
    assert set(ranges.take(4, 100)) == {f"192.0.2.{last}" for last in range(12, 31)}


def test_addresses_of_ipv6_are_taken_once() -> None:
    ranges = Ranges(TEXT)
    assert ranges.take(6, 2) + ranges.take(6, 1) == ["2001:db8::1", "2001:db8::2", "2001:db8::3"]


def test_without_a_range_the_last_ones_of_the_nodes_network_are_taken() -> None:
    networks = ["127.0.0.1/8", "::1/128", "172.18.0.1/16", "fe80::1/64", "fc00:f853:ccd:e793::1/64"]
    ranges = Ranges.at_the_end_of(networks, ip_address("172.18.0.2"))
    assert (ranges.document[0], ranges.take(4, 189)[-1]) == ("172.18.255.50", "172.18.255.249")
    assert ranges.take(6, 1) == ["fc00:f853:ccd:e793:ffff:ffff:ffff:f05a"]


def test_of_a_small_network_a_fifth_is_taken() -> None:
    ranges = Ranges.at_the_end_of(["192.0.2.1/24", "2001:db8::1/64"], ip_address("192.0.2.9"))
    assert (ranges.document[0], ranges.take(4, 40)[-1]) == ("192.0.2.199", "192.0.2.249")


def test_one_that_was_used_is_not_taken_again_before_it_has_rested() -> None:
    clock = [100.0]
    ranges = Ranges(TEXT, lambda: clock[0], lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    first, _ = ranges.take(4, 2)
    ranges.used()
    ranges.take(4, 17)
    assert clock == [100.0]
    assert ranges.take(4, 1) == [first]
    assert clock == [100.0 + REST_S]


@pytest.mark.parametrize("text", ["192.0.2.1-192.0.2.5,2001:db8::1-2001:db8::9", "192.0.2.1-192.0.2.30"])
def test_too_few_are_refused(text: str) -> None:
    with pytest.raises(AssertionError):
        Ranges(text)

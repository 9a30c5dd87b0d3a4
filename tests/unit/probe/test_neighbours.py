"""What a probe takes for an answer on the segment: frames as the lab makes them, and bad ones."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from metalev.lab import arp, ndp
from metalev.probe.neighbours import arp_answer, ndp_answer

VIP, VIP6 = IPv4Address("192.168.1.200"), IPv6Address("fd00:192:168:1::200")
CLIENT, CLIENT6 = IPv4Address("192.168.1.100"), IPv6Address("fd00:192:168:1::100")
MAC, CLIENT_MAC = "02:00:c0:a8:01:0b", "02:00:c0:a8:01:64"
ETHERNET, IPV6 = 14, 40

REPLY = arp.reply(MAC, VIP, CLIENT_MAC, CLIENT)[ETHERNET:]
ADVERTISEMENT = ndp.answer(MAC, VIP6, CLIENT_MAC, CLIENT6)[ETHERNET + IPV6 :]


def test_an_arp_reply_for_the_address_is_an_answer_by_its_sender() -> None:
    assert arp_answer(REPLY, VIP) == MAC


def test_an_advertisement_of_the_address_is_an_answer_by_the_mac_address_in_it() -> None:
    assert ndp_answer(ADVERTISEMENT, VIP6) == MAC


@pytest.mark.parametrize(
    "packet",
    [
        arp.reply(MAC, CLIENT, CLIENT_MAC, VIP)[ETHERNET:],
        arp.request(MAC, VIP, VIP)[ETHERNET:],
        REPLY[:-1],
        b"\0\6" + REPLY[2:],
        b"",
    ],
    ids=["of another address", "a question", "cut short", "of another hardware", "empty"],
)
def test_what_is_no_arp_reply_for_the_address_is_no_answer(packet: bytes) -> None:
    assert arp_answer(packet, VIP) is None


@pytest.mark.parametrize(
    "message",
    [
        ndp.answer(MAC, CLIENT6, CLIENT_MAC, VIP6)[ETHERNET + IPV6 :],
        ndp.solicitation(MAC, CLIENT6, VIP6)[ETHERNET + IPV6 :],
        ADVERTISEMENT[:24],
        ADVERTISEMENT[:23],
        ADVERTISEMENT[:24] + bytes(8),
        b"",
    ],
    ids=["of another address", "a question", "without a MAC address", "cut short", "option of no length", "empty"],
)
def test_what_is_no_advertisement_of_the_address_is_no_answer(message: bytes) -> None:
    assert ndp_answer(message, VIP6) is None

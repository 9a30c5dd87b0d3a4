"""The lab's bad frames are bad, each in the way that its name says, and the segment carries them."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address

import pytest

from metalev.lab import frames
from metalev.lab.arp import Frame
from metalev.lab.capture import packet_socket, receive
from metalev.lab.host import answer_in
from metalev.lab.lab import Lab
from metalev.lab.topology import home_network
from metalev.model.address import IPAddress

BOTH = pytest.mark.parametrize("number", [0, 1], ids=["IPv4", "IPv6"])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(home_network(nodes=1, pods_per_node=0, router=False, ipv6=True)) as lab:
        yield lab


@pytest.fixture
def address(lab: Lab, number: int) -> IPAddress:
    """The node's own, which its kernel answers for."""
    return lab.topology.nodes[0].addresses[number]


@BOTH
def test_a_good_question_is_answered(lab: Lab, address: IPAddress) -> None:
    assert answers_to(lab, lab.client.question(address), address) == 1


@BOTH
def test_the_kernel_answers_none_of_the_bad_ones(lab: Lab, address: IPAddress) -> None:
    """Except a looped one: it does not look at a frame's source."""
    bad = frames.bad_questions(lab.client, address, lab.node("node1").mac)
    assert {name for name, frame in bad.items() if answers_to(lab, frame, address)} == {"looped"}


@BOTH
def test_an_oversized_question_is_answered_all_the_same(lab: Lab, address: IPAddress) -> None:
    """Ethernet pads: what is behind the end of a packet is not part of it."""
    assert answers_to(lab, frames.oversized(lab.client.question(address)), address) == 1


@BOTH
def test_every_bad_frame_arrives_as_it_was_sent(lab: Lab, number: int, address: IPAddress) -> None:
    node = lab.node("node1")
    bad = frames.bad_questions(lab.client, address, lab.client.mac)
    with node.capture(int.from_bytes(lab.client.question(address)[12:14])) as tape:
        lab.client.send(*bad.values())
        for name in ("truncated", "for another host"):
            tape.wait_for(partial(carries, bad[name][14:]))


def carries(payload: bytes, frame: Frame) -> bool:
    return frame.payload == payload


def test_a_tag_stands_before_the_type() -> None:
    assert frames.tagged(bytes(12) + b"\x08\x06rest", vlan=7) == bytes(12) + b"\x81\x00\x00\x07\x08\x06rest"


def test_a_looped_frame_has_its_receiver_as_source() -> None:
    assert frames.looped(b"\xff" * 6 + bytes(6) + b"\x08\x06", "02:00:00:00:00:01")[6:12].hex() == "020000000001"


def test_an_oversized_frame_is_as_long_as_the_wire_allows() -> None:
    assert len(frames.oversized(b"short")) == frames.FRAME_MAX


def test_each_bad_question_differs_from_the_others(lab: Lab) -> None:
    for address in (IPv4Address("192.168.1.200"), IPv6Address("fd00::200")):
        bad = list(frames.bad_questions(lab.client, address, "02:00:00:00:00:01").values())
        assert len({*bad, lab.client.question(address)}) == len(bad) + 1


def answers_to(lab: Lab, frame: bytes, address: IPAddress) -> int:
    """How many answers for the address the client hears in 50 ms after the frame."""
    answers = 0
    with packet_socket(lab.client.namespace, "eth0", int.from_bytes(lab.client.question(address)[12:14])) as sock:
        sock.settimeout(0.05)
        sock.send(frame)
        with suppress(TimeoutError):
            while True:
                seen = receive(sock)
                answers += not seen.outgoing and answer_in(seen, address) is not None
    return answers

"""Frames that nobody should send are dropped by name, and the address is answered as before."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

import pytest

from metalev.lab import arp, frames
from metalev.lab.arp import Frame
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node, answer_in
from metalev.lab.lab import SWITCH
from metalev.lab.links import wait_until
from metalev.model.address import IPAddress

DROPPED = "metalev_layer2_dropped"


def dropped(cluster: LabCluster, node: Node) -> dict[str, float]:
    return {sample: value for sample, value in cluster.metrics(node.name).items() if sample.startswith(DROPPED)}


def announcer_after(cluster: LabCluster, address: IPAddress, bad: list[bytes]) -> list[Node]:
    """Who answers a good question after these; every answer to one of these fails the test."""
    client = cluster.lab.client

    def answers(frame: Frame) -> bool:
        return frame.destination == client.mac and answer_in(frame, address) is not None

    with client.capture(int.from_bytes(client.question(address)[12:14])) as tape:
        client.send(*bad)
        nodes = cluster.announcers(address)
        tape.wait_for(answers)
    assert len(list(filter(answers, tape.frames))) == 1
    return nodes


def test_no_bad_question_is_answered_and_the_good_one_after_them_is(
    cluster: LabCluster, pair: tuple[IPAddress, ...]
) -> None:
    for address in pair:
        owner = cluster.wait_for_announcer(address)
        bad = frames.bad_questions(cluster.lab.client, address, owner.mac)
        assert announcer_after(cluster, address, list(bad.values())) == [owner]


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("malformed", lambda question, _: frames.changed(question, frames.ETHERNET_HEADER + 4, b"\x08")),
        ("vlan", lambda question, _: frames.tagged(question, vlan=7)),
        ("loopedBack", frames.looped),
    ],
)
def test_bad_questions_are_counted_by_name(
    cluster: LabCluster, vip: IPv4Address, reason: str, spoil: Callable[[bytes, str], bytes]
) -> None:
    owner = cluster.wait_for_announcer(vip)
    sample = f'{DROPPED}_total{{reason="{reason}"}}'
    before = dropped(cluster, owner).get(sample, 0)
    announcer_after(cluster, vip, [spoil(cluster.lab.client.question(vip), owner.mac)] * 5)
    wait_until(lambda: dropped(cluster, owner).get(sample) == before + 5, f"{owner.name} to count them as {reason}")


def test_rubbish_changes_nothing(cluster: LabCluster, pair: tuple[IPAddress, ...]) -> None:
    for address in pair:
        owner = cluster.wait_for_announcer(address)
        head = cluster.lab.client.question(address)[: frames.ETHERNET_HEADER]
        rubbish = [head + bytes((seed * step) % 251 for step in range(1, seed % 90)) for seed in range(1, 1001)]
        assert announcer_after(cluster, address, rubbish) == [owner]
    assert all(cluster.speaker(name).running for name in cluster.lab.nodes)


def test_a_padded_question_is_a_question(cluster: LabCluster, vip: IPv4Address) -> None:
    """Ethernet pads: what is behind the end of a packet is not part of it."""
    client = cluster.lab.client
    owner = cluster.wait_for_announcer(vip)
    with client.capture() as tape:
        client.send(frames.oversized(client.question(vip)))
        answer = tape.wait_for(lambda frame: frame.arp is not None and frame.arp.operation == arp.REPLY)
    assert answer.source == owner.mac


@pytest.fixture
def jumbo(cluster: LabCluster, vip: IPv4Address) -> Iterator[int]:
    """The MTU of a segment that carries larger frames than others do, from the client to every node."""
    lab = cluster.lab
    hosts = [lab.client, *lab.nodes.values()]

    def set_mtu(mtu: int) -> None:
        for host in hosts:
            lab.namespace_of(SWITCH).run(["ip", "link", "set", host.name, "mtu", str(mtu)])
            host.run(["ip", "link", "set", "eth0", "mtu", str(mtu)])

    set_mtu(9000)
    yield 9000
    set_mtu(1500)


def test_a_question_longer_than_any_is_counted_as_oversized(cluster: LabCluster, vip: IPv4Address, jumbo: int) -> None:
    owner = cluster.wait_for_announcer(vip)
    sample = f'{DROPPED}_total{{reason="oversized"}}'
    before = dropped(cluster, owner).get(sample, 0)
    announcer_after(cluster, vip, [frames.oversized(cluster.lab.client.question(vip), jumbo)])
    wait_until(lambda: dropped(cluster, owner).get(sample) == before + 1, f"{owner.name} to count it")

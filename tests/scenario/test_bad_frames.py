"""Frames that nobody should send are dropped by name, and the address is answered as before."""

from ipaddress import IPv4Address

from metalev.lab import arp, frames
from metalev.lab.arp import Frame
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node, answer_in
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


def test_no_bad_question_is_answered_and_the_good_one_after_them_is(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    bad = frames.bad_questions(cluster.lab.client, vip, owner.mac)
    assert announcer_after(cluster, vip, list(bad.values())) == [owner]


def test_malformed_questions_are_counted_by_name(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    before = dropped(cluster, owner)
    question = cluster.lab.client.question(vip)
    announcer_after(cluster, vip, [frames.changed(question, frames.ETHERNET_HEADER + 4, b"\x08")] * 5)
    malformed = f'{DROPPED}_total{{reason="malformed"}}'
    assert dropped(cluster, owner)[malformed] == before.get(malformed, 0) + 5


def test_a_thousand_random_payloads_change_nothing(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    head = cluster.lab.client.question(vip)[: frames.ETHERNET_HEADER]
    rubbish = [head + bytes((seed * step) % 251 for step in range(1, seed % 90)) for seed in range(1, 1001)]
    assert announcer_after(cluster, vip, rubbish) == [owner]
    assert all(cluster.speaker(name).running for name in cluster.lab.nodes)


def test_an_oversized_question_is_a_question(cluster: LabCluster, vip: IPv4Address) -> None:
    client = cluster.lab.client
    owner = cluster.wait_for_announcer(vip)
    with client.capture() as tape:
        client.send(frames.oversized(client.question(vip)))
        answer = tape.wait_for(lambda frame: frame.arp is not None and frame.arp.operation == arp.REPLY)
    assert answer.source == owner.mac

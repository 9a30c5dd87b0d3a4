"""IPv6 as IPv4: answered, announced, moved. Frames are read by the lab's own eyes."""

from ipaddress import IPv6Address
from pathlib import Path

from metalev.lab import ndp, prober
from metalev.lab.arp import Frame
from metalev.lab.cluster import LabCluster
from metalev.lab.links import wait_until
from metalev.lab.ndp import NdpPacket
from metalev.lab.topology import socket_address

UNSPECIFIED = IPv6Address("::")


def advertisement_of(address: IPv6Address, frame: Frame) -> NdpPacket | None:
    packet = frame.ndp
    return packet if packet and packet.kind == ndp.ADVERTISEMENT and packet.target == address else None


def groups_of(cluster: LabCluster, node: str) -> set[IPv6Address]:
    """The multicast groups that the node's kernel says it is in on eth0."""
    rows = cluster.lab.node(node).run(["cat", "/proc/net/igmp6"]).stdout.splitlines()
    return {IPv6Address(bytes.fromhex(row.split()[2])) for row in rows if row.split()[1] == "eth0"}


def test_exactly_one_node_answers(cluster: LabCluster, vip6: IPv6Address) -> None:
    assert len(cluster.lab.client.who_has(vip6, timeout=2)) == 1


def test_a_client_reaches_pods_of_several_nodes_through_the_vip(cluster: LabCluster, vip6: IPv6Address) -> None:
    curl = ["curl", "-6", "-sf", "-m", "20", "-H", "Connection: close", *[f"http://{socket_address(vip6, 80)}/"] * 30]
    pages = cluster.lab.client.run(curl).stdout
    assert pages.count("Server name") == 30
    assert sum(f"Node: {node}\n" in pages for node in cluster.lab.nodes) > 1


def test_the_vip_is_on_no_interface(cluster: LabCluster, vip6: IPv6Address) -> None:
    assert not [node.name for node in cluster.lab.nodes.values() if str(vip6) in node.run(["ip", "address"]).stdout]


def test_an_address_of_the_pool_that_nobody_holds_is_not_answered(cluster: LabCluster, vip6: IPv6Address) -> None:
    assert cluster.announcers(vip6 + 9) == []


def test_an_answer_is_solicited_and_names_the_announcers_mac(cluster: LabCluster, vip6: IPv6Address) -> None:
    client, owner = cluster.lab.client, cluster.wait_for_announcer(vip6)
    with client.capture(ndp.ETHERTYPE_IPV6) as tape:
        client.send(client.question(vip6))
        frame = tape.wait_for(lambda frame: (found := advertisement_of(vip6, frame)) is not None and found.solicited)
    answer = advertisement_of(vip6, frame)
    assert answer is not None
    assert (answer.link_layer, answer.destination) == (owner.mac, client.address6)
    assert (frame.source, frame.destination) == (owner.mac, client.mac)


def test_whoever_probes_for_the_vip_is_told_that_it_is_taken(cluster: LabCluster, vip6: IPv6Address) -> None:
    client, owner = cluster.lab.client, cluster.wait_for_announcer(vip6)
    probe = ndp.solicitation(client.mac, UNSPECIFIED, vip6)
    with client.capture(ndp.ETHERTYPE_IPV6) as tape:
        client.send(probe)
        frame = tape.wait_for(lambda frame: advertisement_of(vip6, frame) is not None)
    answer = advertisement_of(vip6, frame)
    assert answer is not None
    assert answer.unsolicited
    assert answer.override
    assert answer.link_layer == owner.mac


def test_a_host_that_configures_the_vip_finds_it_taken(cluster: LabCluster, vip6: IPv6Address) -> None:
    """By its own kernel's duplicate address detection."""
    router = cluster.lab.host("router")
    router.namespace.sysctl("ipv6/conf/eth0/accept_dad", 1)
    with router.capture(ndp.ETHERTYPE_IPV6) as tape:
        router.run(["ip", "address", "add", f"{vip6}/64", "dev", "eth0"])
        tape.wait_for(lambda frame: not frame.outgoing and advertisement_of(vip6, frame) is not None)
    failed = ["ip", "-6", "address", "show", "dadfailed"]
    wait_until(lambda: f"inet6 {vip6}/64" in router.run(failed).stdout, "the router to find the address taken")
    router.run(["ip", "address", "del", f"{vip6}/64", "dev", "eth0"])


def test_the_announcer_is_in_the_group_at_which_the_vip_is_asked_for(cluster: LabCluster, vip6: IPv6Address) -> None:
    owner = cluster.wait_for_announcer(vip6)
    wait_until(lambda: ndp.solicited_node(vip6) in groups_of(cluster, owner.name), "the announcer to be in it")


def test_vip_moves_when_its_owner_dies_and_everybody_is_told(
    cluster: LabCluster, vip6: IPv6Address, tmp_path: Path
) -> None:
    client, owner = cluster.lab.client, cluster.wait_for_announcer(vip6)
    probing = prober.start(client, socket_address(vip6, 80), log=tmp_path / "prober.log")
    with client.capture(ndp.ETHERTYPE_IPV6) as tape:
        owner.kill()
        successor = cluster.wait_for_announcer(vip6)
        told = tape.wait_for(lambda frame: frame.source == successor.mac and advertisement_of(vip6, frame) is not None)
    report = prober.finish(probing)
    announced = advertisement_of(vip6, told)
    assert successor != owner
    assert announced is not None
    assert (announced.unsolicited, announced.override, announced.link_layer) == (True, True, successor.mac)
    assert client.neighbour(vip6) == successor.mac
    assert report.silence_ended < report.silence_began + 60


def test_the_successor_joins_the_vips_group(cluster: LabCluster, vip6: IPv6Address) -> None:
    owner = cluster.wait_for_announcer(vip6)
    owner.kill()
    successor = cluster.wait_for_announcer(vip6)
    wait_until(lambda: ndp.solicited_node(vip6) in groups_of(cluster, successor.name), "the successor to be in it")


def test_a_frozen_speaker_does_not_answer_beside_its_successor(cluster: LabCluster, vip6: IPv6Address) -> None:
    owner = cluster.wait_for_announcer(vip6)
    cluster.speaker(owner.name).pause()
    successor = cluster.wait_for_announcer(vip6)
    assert successor != owner
    cluster.speaker(owner.name).resume()
    cluster.speaker(owner.name).wait_for("overslept")
    assert cluster.wait_for_announcer(vip6) == successor

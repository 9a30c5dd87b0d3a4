"""Peers that do not fit and faults of a host, done to running speakers: each is named, and no address is lost.

Who goes on announcing is proven by the engine's tests, in virtual time; here a busy machine may make an address move.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.scenario.strangers import PATIENCE, events, problems
from tests.scenario.test_looking import look

from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.links import wait_until
from metalev.lab.manifests import node as node_manifest
from metalev.lab.process import Process
from metalev.lab.topology import home_network

pytestmark = pytest.mark.timeout(900)

OTHER_KEY = "are signed with a key that this node does not have, so they count for nothing: give every speaker"
SAME_NAME = "calls itself node1 as well"
SAME_MAC = "have one MAC address"


def others(cluster: LabCluster, node: Node) -> list[Node]:
    return [one for one in cluster.lab.nodes.values() if one != node]


def is_answered(cluster: LabCluster, vip: IPv4Address) -> None:
    """Wait until anybody answers for it: between two that do not agree, both do."""
    wait_until(lambda: bool(cluster.announcers(vip)), f"{vip} to be answered", timeout=PATIENCE)


@contextmanager
def instead(cluster: LabCluster, node: Node, *options: str) -> Iterator[Process]:
    """The node's speaker runs with other options."""
    cluster.speaker(node.name).kill()
    process = cluster.start_speaker(node.name, *options)
    try:
        process.wait_for("new table")
        yield process
    finally:
        process.kill()
        cluster.start_speaker(node.name).wait_for("is heard on")


def is_told_everywhere(cluster: LabCluster, by: list[Node], text: str, reason: str) -> None:
    """Wait until each of these nodes has said it in its log, an event has, and ``metalev status``."""
    for node in by:
        cluster.speaker(node.name).wait_for(text, timeout=PATIENCE)
    told = re.compile(rf"^{reason} .*{re.escape(text)}", re.MULTILINE)
    wait_until(lambda: told.search(events(cluster)) is not None, f"an event {reason}", timeout=PATIENCE)
    wait_until(lambda: bool(problems(cluster, text)), "it to be a problem of a state", timeout=PATIENCE)
    status, said = look(cluster, "status")
    assert status == 1
    assert text in " ".join(said.split()), "it wraps lines"


def test_a_speaker_with_another_key_is_named_until_it_has_the_right_one_and_no_address_is_lost(
    cluster: LabCluster, vip: IPv4Address, tmp_path: Path
) -> None:
    key = tmp_path / "other.key"
    key.touch(mode=0o600)
    key.write_text(f"{cluster.new_key()}\n")
    node = others(cluster, cluster.wait_for_announcer(vip))[0]
    with instead(cluster, node, "--key-file", str(key)):
        is_told_everywhere(cluster, others(cluster, node), OTHER_KEY, "BeaconsNotHeeded")
        # It says the same of the others.
        assert any(f"beacons of {node.name} at" in one for one in problems(cluster, OTHER_KEY))
        is_answered(cluster, vip)
    cluster.wait_for_announcer(vip, timeout=PATIENCE)
    over = f"no beacons with another key come from {node.name} at"
    for one in others(cluster, node):
        cluster.speaker(one.name).wait_for(over, timeout=PATIENCE)
    wait_until(lambda: not problems(cluster, f"beacons of {node.name} at"), "it to be no problem", timeout=PATIENCE)
    assert re.search(r"^BeaconsNotHeededOver over: ", events(cluster), re.MULTILINE)


def test_a_second_speaker_of_one_name_is_named_and_no_address_is_lost(
    cluster: LabCluster, vip: IPv4Address, tmp_path: Path
) -> None:
    node = cluster.lab.node("node3")
    with instead(cluster, node, "--node-name", "node1", "--state", str(tmp_path)) as twin:
        is_told_everywhere(cluster, others(cluster, node), SAME_NAME, "BeaconsNotHeeded")
        is_answered(cluster, vip)
        assert twin.running
        assert "--node-name" in problems(cluster, SAME_NAME)[0]


def test_two_nodes_with_one_mac_address_are_named_and_the_address_is_answered_when_one_has_another(
    cluster: LabCluster, vip: IPv4Address
) -> None:
    owner = cluster.wait_for_announcer(vip)
    clone, third = others(cluster, owner)
    clone.run(["ip", "link", "set", "eth0", "address", owner.mac])
    try:
        cluster.speaker(third.name).wait_for(SAME_MAC, timeout=PATIENCE)
        wait_until(lambda: bool(cluster.lab.client.who_has(vip)), f"{vip} to be answered", timeout=PATIENCE)
        assert all(cluster.speaker(name).running for name in cluster.lab.nodes)
    finally:
        clone.run(["ip", "link", "set", "eth0", "address", clone.mac])
    cluster.wait_for_announcer(vip, timeout=PATIENCE)


def test_a_node_that_is_struck_off_the_list_and_put_back_moves_nothing(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    gone = others(cluster, owner)[0]
    before = cluster.speaker(owner.name).output().count("peers changed")
    kept = [node_manifest(spec) for spec in cluster.lab.topology.nodes if spec.name != gone.name]
    try:
        cluster.manifests.write("nodes", *kept)
        cluster.speaker(owner.name).wait_for_count("peers changed", before + 1, timeout=PATIENCE)
        is_answered(cluster, vip)
    finally:
        cluster.manifests.write_cluster()
    cluster.speaker(owner.name).wait_for_count("peers changed", before + 2, timeout=PATIENCE)
    cluster.wait_for_announcer(vip, timeout=PATIENCE)


def test_a_queue_that_is_full_is_named_and_the_address_is_answered_by_another(
    cluster: LabCluster, vip: IPv4Address
) -> None:
    owner = cluster.wait_for_announcer(vip)
    owner.run(["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "8kbit", "burst", "100", "limit", "100"])
    try:
        speaker = cluster.speaker(owner.name)
        speaker.wait_for("the kernel does not send what goes out by eth0: No buffer space available", timeout=PATIENCE)
        assert "its queue is full: look at what floods it (tc -s qdisc)" in speaker.output()
        successor = cluster.wait_for_announcer(vip, timeout=PATIENCE)
        assert successor != owner
    finally:
        owner.run(["tc", "qdisc", "del", "dev", "eth0", "root"])
    cluster.wait_for_announcer(vip, timeout=PATIENCE)


def test_an_interface_that_vanishes_while_it_announces_is_named_and_the_address_is_answered_by_another(
    tmp_path: Path,
) -> None:
    # A cluster of its own: nothing brings that interface back.
    with LabCluster(home_network(nodes=2, pods_per_node=1), tmp_path) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web")
        cluster.start()
        vip = cluster.wait_for_address("web")
        owner = cluster.wait_for_announcer(vip, timeout=PATIENCE)
        owner.run(["ip", "link", "delete", "eth0"])
        speaker, (other,) = cluster.speaker(owner.name), others(cluster, owner)
        speaker.wait_for("interface eth0 is gone or down", timeout=PATIENCE)
        speaker.wait_for(f"fell silent for {vip}", timeout=PATIENCE)
        assert cluster.wait_for_announcer(vip, timeout=PATIENCE) == other
        assert re.search(rf"took {vip} .*cause=(missed-beacons|released)", cluster.speaker(other.name).output())
        wait_until(lambda: bool(problems(cluster, "no interface may carry it")), "a problem of its state", PATIENCE)
        assert speaker.running

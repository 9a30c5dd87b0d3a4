"""Hundreds of addresses on three speakers, of which a third die with their announcer.

``METALEV_VIPS=5000`` has as many; fewer are made by default, for each is a Service with manifests and a status.
"""

import json
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from ipaddress import IPv4Address
from itertools import permutations
from pathlib import Path

import pytest
from msgspec import Struct

from metalev.lab import arp, links
from metalev.lab.capture import packet_socket, receive
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.links import wait_until
from metalev.lab.manifests import endpoint_slice, service
from metalev.lab.namespace import LabError
from metalev.lab.topology import home_network

COUNT = int(os.environ.get("METALEV_VIPS", "300"))
FIRST = IPv4Address("192.168.100.1")
VIPS = tuple(FIRST + number for number in range(COUNT))
ASKED = 8  # of each survivor's share
IN_FLIGHT = 50  # questions at a time: their answers fit into a socket that nobody reads for a moment
PATIENCE_S = 60 + COUNT / 20


class Death(Struct, frozen=True):
    """The announcer of a third died. All by address."""

    dead: Node
    before: Mapping[IPv4Address, Node]
    after: Mapping[IPv4Address, Node]
    heirs: Mapping[IPv4Address, Node]
    """Who is the next candidate of those that it announced."""
    asked: tuple[IPv4Address, ...]
    """Those of the dead one's that a client asked for before, the last one last."""
    announced: tuple[tuple[IPv4Address, str], ...]
    """The gratuitous frames since: what is announced, from which MAC address."""


@pytest.fixture(scope="module")
def death(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Death]:
    """What became of all addresses when the node died that announced the most."""
    directory: Path = tmp_path_factory.mktemp("many")
    with LabCluster(home_network(nodes=3, pods_per_node=1), directory, serving=False) as cluster:
        cluster.manifests.write_pool(f"{VIPS[0]}-{VIPS[-1]}")
        start(cluster)
        write_services(cluster)
        before = announcers(cluster)
        dead = max(cluster.lab.nodes.values(), key=lambda node: list(before.values()).count(node))
        heirs = {vip: heir(cluster, vip, dead) for vip, node in before.items() if node == dead}
        asked = mixed(heirs)
        with cluster.lab.client.capture() as tape:
            ask(cluster, asked)
            dead.kill()
            wait_until(lambda: heirs.keys() <= taken(cluster, dead), "the others to take all", PATIENCE_S)
            after = announcers(cluster)
            claims = [frame.arp for frame in tape.frames if frame.arp and frame.arp.gratuitous]
        told = tuple((claim.sender, claim.sender_mac) for claim in claims)
        yield Death(dead, before, after, heirs, asked, told)


def start(cluster: LabCluster) -> None:
    """Start everything, with beacons so seldom that a busy machine has nobody taken for dead who lives."""
    cluster.start_controller()
    for node in cluster.lab.nodes:
        cluster.start_speaker(node, "--beacon-interval", "200ms")
    for node, other in permutations(cluster.lab.nodes, 2):
        cluster.speaker(node).wait_for(f"{other} is heard on")


def write_services(cluster: LabCluster) -> None:
    """As many Services as addresses, in one file: JSON is YAML, and much faster written."""
    pods = list(cluster.lab.topology.pods)
    documents: list[dict[str, object]] = []
    for number in range(COUNT):
        name, ip = f"vip{number}", str(IPv4Address("10.96.0.1") + number)
        documents += [service(name, cluster_ip=ip, ports={"http": 80}), endpoint_slice(name, pods, ports={"http": 80})]
    cluster.manifests.path("many").write_text("\n---\n".join(map(json.dumps, documents)))


def mixed(heirs: Mapping[IPv4Address, Node]) -> tuple[IPv4Address, ...]:
    """The last few of each heir's share, the one's and the other's in turn: no other order has them first."""
    shares: dict[Node, list[IPv4Address]] = {}
    for vip in sorted(heirs):
        shares.setdefault(heirs[vip], []).append(vip)
    return tuple(vip for pair in zip(*(share[-ASKED:] for share in shares.values()), strict=True) for vip in pair)


def heir(cluster: LabCluster, vip: IPv4Address, dead: Node) -> Node:
    """The candidate of an address that is next once one is dead."""
    return min(
        (node for node in cluster.lab.nodes.values() if node != dead),
        key=lambda node: sha256(f"{node.name}#{vip}".encode()).digest(),
    )


def taken(cluster: LabCluster, dead: Node) -> set[IPv4Address]:
    """All that the others say they took: nobody is to ask for anything before, for it would come first."""
    logs = [cluster.speaker(name).output() for name in cluster.lab.nodes if name != dead.name]
    return {IPv4Address(vip) for log in logs for vip in re.findall(r"took (192[0-9.]+) ", log)}


def ask(cluster: LabCluster, vips: Iterable[IPv4Address]) -> None:
    """Have the client ask everybody for these, in this order."""
    cluster.lab.client.send(*map(cluster.lab.client.question, vips))


def announcers(cluster: LabCluster) -> dict[IPv4Address, Node]:
    """Who answers for each address, once all are answered: they are asked for by and by, and again until then."""
    found: dict[IPv4Address, Node] = {}
    give_up = time.monotonic() + PATIENCE_S
    with packet_socket(cluster.lab.client.namespace, links.UPLINK, arp.ETHERTYPE_ARP) as sock:
        while missing := [vip for vip in VIPS if vip not in found]:
            if time.monotonic() > give_up:
                raise LabError(f"nobody answers for {len(missing)} of {COUNT} addresses, {missing[0]} among them")
            for batch in (missing[at : at + IN_FLIGHT] for at in range(0, len(missing), IN_FLIGHT)):
                ask(cluster, batch)
                found |= answers(cluster, sock, set(batch))
    return found


def answers(cluster: LabCluster, sock: socket.socket, wanted: set[IPv4Address]) -> dict[IPv4Address, Node]:
    """The answers that come, until all have or none does for a moment; the last one counts."""
    found: dict[IPv4Address, Node] = {}
    sock.settimeout(0.3)
    client = cluster.lab.client.mac
    while not wanted <= found.keys():
        try:
            frame = receive(sock)
        except TimeoutError:
            break
        if (told := frame.arp) and told.operation == arp.REPLY and frame.destination == client:
            found[told.sender] = cluster.lab.node_with(told.sender_mac)
    return found


def test_all_that_a_dead_node_announced_is_answered_by_the_others(death: Death) -> None:
    assert death.after.keys() == set(VIPS)
    assert death.dead not in death.after.values()


def test_what_the_dead_node_did_not_announce_stays_where_it_is(death: Death) -> None:
    others = {vip: node for vip, node in death.before.items() if node != death.dead}
    assert {vip: death.after[vip] for vip in others} == others


def test_nobody_announces_what_another_one_has(death: Death) -> None:
    holders = {vip: {death.before[vip].mac, death.after[vip].mac} for vip in VIPS}
    assert [claim for claim in death.announced if claim[1] not in holders[claim[0]]] == []


def test_of_what_is_taken_over_that_is_announced_first_which_was_asked_for_last(death: Death) -> None:
    for node in set(death.heirs.values()):
        told = dict.fromkeys(vip for vip, mac in death.announced if mac == node.mac and death.heirs.get(vip) == node)
        wanted = [vip for vip in reversed(death.asked) if vip in told]
        assert list(told)[: len(wanted)] == wanted
    assert {vip for vip, _ in death.announced} & set(death.asked)

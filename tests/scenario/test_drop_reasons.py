"""Every reason for which a frame gets no answer, sent to a speaker that runs and read from its metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from metalev.lab import arp, frames, links, manifests, ndp
from metalev.lab.capture import packet_socket
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Host, Node
from metalev.lab.lab import SWITCH
from metalev.lab.links import wait_until
from metalev.lab.topology import home_network

DROPPED = "metalev_layer2_dropped"
PATIENCE = 120.0
TIMES = 20
ARP_OPERATION_AT = frames.ETHERNET_HEADER + 6
ARP_LENGTH_AT = frames.ETHERNET_HEADER + 4
SECOND = "lan1"  # an interface of the announcer that no L2Advertisement names; its other end is left alone by its name
BEYOND = "veth-lan1"
ETHERTYPE_BEACON = 0x88B5
VERSION_AT = frames.ETHERNET_HEADER + 4
FLAGS_AT = frames.ETHERNET_HEADER + 5
LENGTH_AT = frames.ETHERNET_HEADER + 8
MANY_NODES = (1, 2, 3)  # octets: a group that is none of a solicited node


class World:
    """Two nodes, of which ``owner`` announces an address of each family, on ``eth0`` alone; and ``other``."""

    def __init__(self, cluster: LabCluster) -> None:
        self.cluster = cluster
        vips = cluster.wait_for_addresses("web", count=2)
        (self.vip,) = (one for one in vips if isinstance(one, IPv4Address))
        (self.vip6,) = (one for one in vips if isinstance(one, IPv6Address))
        self.client: Host = cluster.lab.client
        self.owner: Node = cluster.wait_for_announcer(self.vip)
        (self.other,) = (node for node in cluster.lab.nodes.values() if node != self.owner)

    @property
    def question(self) -> bytes:
        """A good one, by ARP."""
        return self.client.question(self.vip)

    @property
    def question6(self) -> bytes:
        """A good one, by Neighbour Discovery."""
        return self.client.question(self.vip6)

    def beacon(self, sender: Node) -> bytes:
        """One that ``sender`` has sent to the other node, and that is not its last one any more."""
        port = self.cluster.lab.namespace_of(SWITCH)
        with packet_socket(port, sender.name, ETHERTYPE_BEACON) as sock:
            sock.settimeout(PATIENCE)
            first, mac = sock.recv(2048), bytes.fromhex(sender.mac.replace(":", ""))
            while first[6:12] != mac:
                first = sock.recv(2048)
            for _ in range(8):
                sock.recv(2048)
        return first

    def dropped(self, node: Node, reason: str) -> float:
        """How many frames the node's speaker has counted under this name."""
        return self.cluster.metrics(node.name).get(f'{DROPPED}_total{{reason="{reason}"}}', 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    topology = home_network(nodes=2, pods_per_node=1, router=False, ipv6=True)
    with LabCluster(topology, tmp_path_factory.mktemp("dropped")) as cluster:
        advertised = manifests.l2_advertisement("default", ("default",))
        advertised["spec"]["interfaces"] = [links.UPLINK]
        cluster.manifests.write("pool", manifests.pool("default", (manifests.POOL, manifests.POOL6)), advertised)
        cluster.manifests.write_service("web", families=(4, 6))
        cluster.start()
        yield World(cluster)


def group_mac(frame: bytes) -> bytes:
    """The frame, to a group's MAC address that does not belong to the group in the packet."""
    return frames.changed(frame, 3, bytes(MANY_NODES))


def without_option(world: World) -> bytes:
    """A solicitation to the group, from an address, that does not say where to answer (RFC 4861 section 4.3)."""
    whole = world.question6
    shorter = frames.changed(frames.truncated(whole, len(whole) - 8), frames.ETHERNET_HEADER + 4, (24).to_bytes(2))
    return ndp.with_checksum(shorter)


QUESTIONS: dict[str, tuple[str, Callable[[World], bytes]]] = {
    "a reply": (
        "ARPReply",
        lambda world: arp.reply(world.client.mac, world.client.address, world.owner.mac, world.vip),
    ),
    "an unknown operation": ("messageType", lambda w: frames.changed(w.question, ARP_OPERATION_AT, b"\0\x63")),
    "a solicitation without its option": ("noSourceLL", without_option),
    "ARP to a group of hosts": (
        "ethernetDestination",
        lambda world: frames.changed(world.question, 0, bytes.fromhex("01005e000001")),
    ),
    "a solicitation to a foreign group": ("ethernetDestination", lambda world: group_mac(world.question6)),
    "ARP cut short": ("malformed", lambda world: frames.truncated(world.question, 30)),
    "ARP with long addresses": ("malformed", lambda world: frames.changed(world.question, ARP_LENGTH_AT, b"\x08")),
    "a solicitation cut short": ("malformed", lambda world: frames.truncated(world.question6, 60)),
    "a solicitation with a wrong checksum": (
        "malformed",
        lambda world: frames.changed(world.question6, frames.ETHERNET_HEADER + 42, b"\0\0"),
    ),
    "ARP with a VLAN's tag": ("vlan", lambda world: frames.tagged(world.question, vlan=7)),
    "a solicitation with a VLAN's tag": ("vlan", lambda world: frames.tagged(world.question6, vlan=7)),
    "ARP of its own": ("loopedBack", lambda world: frames.looped(world.question, world.owner.mac)),
    "a solicitation of its own": ("loopedBack", lambda world: frames.looped(world.question6, world.owner.mac)),
    "a beacon with a wrong signature": (
        "badSignature",
        lambda world: to(world.owner, frames.changed(world.beacon(world.other), FLAGS_AT, b"\x03")),
    ),
    "a beacon of another version": (
        "otherVersion",
        lambda world: to(world.owner, frames.changed(world.beacon(world.other), VERSION_AT, b"\x02")),
    ),
    "a beacon with a wrong length": (
        "malformed",
        lambda world: to(world.owner, frames.changed(world.beacon(world.other), LENGTH_AT, b"\xff\xff")),
    ),
    "a beacon that was heard already": ("replayed", lambda world: to(world.owner, world.beacon(world.other))),
    "a beacon for another node": ("notForUs", lambda world: to(world.owner, world.beacon(world.owner))),
}


def to(node: Node, frame: bytes) -> bytes:
    """The frame, from a host that is no node, to this node."""
    mac, stranger = bytes.fromhex(node.mac.replace(":", "")), bytes.fromhex("02000000beef")
    return mac + stranger + frame[12:]


@pytest.mark.parametrize("what", QUESTIONS)
def test_a_running_speaker_counts_it_by_its_name_and_goes_on_answering(world: World, what: str) -> None:
    reason, make = QUESTIONS[what]
    bad, before = make(world), world.dropped(world.owner, reason)
    world.client.send(*[bad] * TIMES)
    wait_until(
        lambda: world.dropped(world.owner, reason) >= before + TIMES,
        f"{world.owner.name} to count {what} as {reason}",
        timeout=PATIENCE,
    )
    for address in (world.vip, world.vip6):
        assert world.cluster.wait_for_announcer(address) == world.owner


def test_a_node_that_does_not_announce_counts_the_questions_for_it_as_announce_ip(world: World) -> None:
    for question in (world.question, to_all_nodes(world.question6)):
        before = world.dropped(world.other, "announceIP")
        world.client.send(*[question] * TIMES)
        wait_until(
            lambda before=before: world.dropped(world.other, "announceIP") >= before + TIMES,  # type: ignore[misc]
            f"{world.other.name} to count them",
            timeout=PATIENCE,
        )


def to_all_nodes(frame: bytes) -> bytes:
    """The frame as one for everybody: a node that is not in the group would not be given it by its interface."""
    return b"\xff" * 6 + frame[6:]


@pytest.fixture
def second_network(world: World) -> Iterator[Host]:
    """The announcer, with another interface whose far end is on it as well."""
    pair = ["type", "veth", "peer", "name", BEYOND]
    world.owner.run(["ip", "link", "add", SECOND, *pair])
    for end in (SECOND, BEYOND):
        world.owner.run(["ip", "link", "set", end, "up"])
    yield world.owner
    world.owner.run(["ip", "link", "del", SECOND])


def test_a_question_on_an_interface_that_does_not_announce_is_counted_as_not_match_interface(
    world: World, second_network: Host
) -> None:
    before = world.dropped(world.owner, "notMatchInterface")

    def asked_and_counted() -> bool:
        # Again and again: the speaker opens its sockets on the new interface when the kernel has told it.
        with packet_socket(second_network.namespace, BEYOND, ethertype=0) as sock:
            sock.send(world.question)
            sock.send(to_all_nodes(world.question6))
        return world.dropped(world.owner, "notMatchInterface") >= before + TIMES

    wait_until(asked_and_counted, f"{world.owner.name} to count them", timeout=PATIENCE)


@pytest.mark.parametrize("family", [4, 6])
def test_jumbo_questions_are_counted_as_oversized(world: World, family: int) -> None:
    switch, hosts = world.cluster.lab.namespace_of(SWITCH), (world.client, world.owner, world.other)
    before = world.dropped(world.owner, "oversized")
    for host in hosts:  # a segment that carries larger frames than others do
        switch.run(["ip", "link", "set", host.name, "mtu", "9000"])
        host.run(["ip", "link", "set", links.UPLINK, "mtu", "9000"])
    question = frames.oversized(world.question if family == 4 else world.question6, 9000)

    def counted() -> bool:
        world.client.send(question)  # again, for now and then one is lost before it comes to the nodes
        return world.dropped(world.owner, "oversized") > before

    wait_until(counted, f"{world.owner.name} to count it", timeout=PATIENCE)


def test_a_beacon_of_a_second_speaker_of_one_name_is_counted_as_same_name(world: World, tmp_path: Path) -> None:
    """The second one runs on the client, under the announcer's name, with the same key."""
    cluster = world.cluster
    key, state = tmp_path / "beacon.key", tmp_path / "state"
    key.touch(mode=0o600)
    key.write_text("".join(f"{one}\n" for one in cluster.keys))
    state.mkdir()
    paths = ["--manifests", str(cluster.manifests.directory), "--state", str(state), "--key-file", str(key)]
    argv = [sys.executable, "-m", "metalev", "speaker", "--node-name", world.owner.name, *paths]
    before = world.dropped(world.other, "sameName")
    second = world.client.spawn([*argv, "--metrics-address", "127.0.0.1:0"], log=tmp_path / "second.log")
    try:
        wait_until(
            lambda: world.dropped(world.other, "sameName") > before,
            f"{world.other.name} to count the beacons of the second {world.owner.name}",
            timeout=PATIENCE,
        )
    finally:
        second.kill()
    assert cluster.wait_for_announcer(world.vip) == world.owner

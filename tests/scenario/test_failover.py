"""A node dies, a speaker dies, a process freezes: the address goes on being answered, by one node."""

import re
from ipaddress import IPv4Address
from pathlib import Path

from metalev.lab import arp, prober
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.links import wait_until


def contents(directory: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.rglob("*.yaml")}


def takeovers(cluster: LabCluster, node: str, vip: IPv4Address) -> list[str]:
    """The lines in which a node's speaker says that it took the address: a moment after it answers for it."""
    return [line for line in cluster.speaker(node).output().splitlines() if f"took {vip}" in line]


class Takeover:
    """The next time that a node takes the address."""

    def __init__(self, cluster: LabCluster, vip: IPv4Address) -> None:
        self._cluster, self._vip = cluster, vip
        self._before = {name: len(takeovers(cluster, name, vip)) for name in cluster.lab.nodes}

    def told_by(self, node: Node) -> str:
        """What its speaker says of it."""
        wait_until(lambda: len(self._new(node)) > 0, f"{node.name} to say that it took {self._vip}")
        return self._new(node)[-1]

    def _new(self, node: Node) -> list[str]:
        return takeovers(self._cluster, node.name, self._vip)[self._before[node.name] :]


def test_vip_moves_when_its_owner_dies_and_the_cause_is_the_missed_beacon(
    cluster: LabCluster, vip: IPv4Address
) -> None:
    owner = cluster.wait_for_announcer(vip)
    cluster.stop_controller()
    manifests = contents(cluster.manifests.directory)
    takeover = Takeover(cluster, vip)
    owner.kill()
    successor = cluster.wait_for_announcer(vip)
    assert successor != owner
    took = takeover.told_by(successor)
    assert "cause=missed-beacons" in took
    assert f"its announcer {owner.name} missed 3 beacons" in took
    assert contents(cluster.manifests.directory) == manifests
    cluster.start_controller()


def test_clients_connect_again_by_the_new_announcer_and_none_is_refused(
    cluster: LabCluster, vip: IPv4Address, tmp_path: Path
) -> None:
    owner = cluster.wait_for_announcer(vip)
    survivors = [(node, pod) for node, pod in cluster.lab.topology.pods if node.name != owner.name]
    cluster.manifests.write_endpoints("web", survivors)
    cluster.wait_for(
        "the dead pod is no endpoint", lambda _: cluster.endpoints("web") == {pod.address for _, pod in survivors}
    )
    probing = prober.start(cluster.lab.client, f"{vip}:80", log=tmp_path / "prober.log")
    owner.kill()
    successor = cluster.wait_for_announcer(vip)
    report = prober.finish(probing)
    assert report.refused == 0
    assert report.silence_ended < report.silence_began + 60
    assert cluster.lab.client.neighbour(vip) == successor.mac
    cluster.manifests.write_endpoints("web", cluster.lab.topology.pods)


def test_a_takeover_is_announced_in_both_gratuitous_forms_and_never_answered_twice(
    cluster: LabCluster, vip: IPv4Address
) -> None:
    owner = cluster.wait_for_announcer(vip)
    with cluster.lab.client.capture() as tape:
        owner.kill()
        successor = cluster.wait_for_announcer(vip)
        for operation in (arp.REQUEST, arp.REPLY):
            tape.wait_for(
                lambda frame, operation=operation: (
                    frame.arp is not None  # type: ignore[misc]
                    and frame.arp.gratuitous
                    and frame.arp.operation == operation
                    and frame.arp.sender == vip
                )
            )
        claims = [frame.arp for frame in tape.frames if frame.arp and frame.arp.sender == vip]
    assert {claim.sender_mac for claim in claims} == {successor.mac}


def test_vip_moves_when_its_speaker_is_killed_though_the_node_lives(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    cluster.speaker(owner.name).kill()
    assert cluster.wait_for_announcer(vip) != owner


def test_a_speaker_that_is_asked_to_stop_hands_over_without_waiting_for_missed_beacons(
    cluster: LabCluster, vip: IPv4Address
) -> None:
    owner = cluster.wait_for_announcer(vip)
    takeover = Takeover(cluster, vip)
    assert cluster.speaker(owner.name).terminate() == 0
    successor = cluster.wait_for_announcer(vip)
    assert "cause=stopping" in takeover.told_by(successor)


def test_a_frozen_speaker_is_silent_when_it_thaws(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    owner.pause()
    successor = cluster.wait_for_announcer(vip)
    with cluster.lab.client.capture() as tape:
        cluster.announcers(vip)  # a question that waits in the frozen speaker's queue
        owner.resume()
        cluster.speaker(owner.name).wait_for("cause=overslept")
        assert cluster.wait_for_announcer(vip) == successor
        answers = {frame.arp.sender_mac for frame in tape.frames if frame.arp and frame.arp.sender == vip}
    assert answers == {successor.mac}


def test_a_node_that_returns_does_not_take_the_address_back(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    owner.kill()
    successor = cluster.wait_for_announcer(vip)
    owner.revive()
    speaker = cluster.start_speaker(owner.name)
    speaker.wait_for(f"{successor.name} is heard on")
    cluster.speaker(successor.name).wait_for(f"{owner.name} is heard on")
    assert cluster.wait_for_announcer(vip) == successor
    assert f"took {vip}" not in speaker.output()


def test_a_partition_is_served_on_both_sides_and_settles_when_it_heals(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    others = [node for node in cluster.lab.nodes.values() if node != owner]
    cluster.lab.partition([owner, cluster.lab.client], others)
    took = re.compile(rf"took {vip} .*missed 3 beacons")

    def taken() -> list[Node]:
        return [node for node in others if took.search(cluster.speaker(node.name).output())]

    wait_until(lambda: bool(taken()), "one of the others to say why it took it")
    cluster.lab.heal()
    wait_until(lambda: cluster.announcers(vip) == taken(), "the later one to be left with it")
    cluster.speaker(owner.name).wait_for("cause=higher-term")

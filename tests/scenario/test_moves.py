"""Planned moves on a real wire: whoever asks is answered before, during and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from metalev.lab import arp, prober
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.manifests import node as node_manifest

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
TAINT = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
BEACON = 0x88B5
GOODBYE = 0b10  # in the byte of the flags, the sixth of a beacon
# A speaker that gets no processor for longer than its promise lasts has to fall silent; that is another test's matter.
STARVED = "cause=overslept"
TRIES = 5


def read(path: Path) -> str:
    """The text of a file with its lines joined: YAML folds long ones."""
    return " ".join(path.read_text().split()).replace('\\"', '"')


def stop(cluster: LabCluster, owner: Node) -> None:
    cluster.speaker(owner.name).ask_to_end()


def marked(cluster: LabCluster, owner: Node, **marks: Any) -> None:
    nodes = [node_manifest(spec) for spec in cluster.lab.topology.nodes]
    (manifest,) = (one for one in nodes if one["metadata"]["name"] == owner.name)
    manifest["metadata"]["labels"].update(marks.get("labels", {}))
    manifest["spec"]["taints"] = marks.get("taints", [])
    cluster.manifests.write("nodes", *nodes)


def exclude(cluster: LabCluster, owner: Node) -> None:
    marked(cluster, owner, labels={EXCLUDE: ""})


def taint(cluster: LabCluster, owner: Node) -> None:
    marked(cluster, owner, taints=[TAINT])


WAYS = pytest.mark.parametrize(
    ("move", "cause"),
    [(stop, "stopping"), (exclude, "not-candidate"), (taint, "not-candidate")],
    ids=["SIGTERM", "exclude label", "out-of-service taint"],
)
Move = Callable[[LabCluster, Node], None]


@contextmanager
def unmarked_again(cluster: LabCluster) -> Iterator[None]:
    """Every Node is as it was at the end, and every speaker knows."""
    yield
    cluster.manifests.write_cluster()


def starved(cluster: LabCluster) -> bool:
    """Whether a speaker got no processor for so long that it had to fall silent."""
    return any(STARVED in cluster.speaker(name).output() for name in cluster.lab.nodes)


def mend(cluster: LabCluster, vip: IPv4Address) -> None:
    """Everything as it was, with new speakers, whose logs say nothing yet."""
    cluster.manifests.write_cluster()
    for name in cluster.lab.nodes:
        cluster.speaker(name).kill()
        cluster.start_speaker(name)
    for name in cluster.lab.nodes:
        cluster.speaker(name).wait_for("is heard on")
    cluster.wait_for_announcer(vip)


def took(cluster: LabCluster, vip: IPv4Address, cause: str) -> str:
    """The name of the node that has taken ``vip`` because of ``cause``; empty as long as none has."""
    for name in cluster.lab.nodes:
        lines = cluster.speaker(name).output().splitlines()
        if any(f"took {vip} " in line and f"cause={cause}" in line for line in lines):
            return name
    return ""


def moved_while_asked(cluster: LabCluster, vip: IPv4Address, move: Move, cause: str, log: Path) -> prober.Report:
    """Move ``vip`` while a client that forgets all the time where it is opens connections to it."""
    owner = cluster.wait_for_announcer(vip)
    probing = prober.start(cluster.lab.client, f"{vip}:80", log=log)
    move(cluster, owner)
    for _ in range(20):
        cluster.lab.client.forget_neighbours()
        cluster.lab.client.who_has(vip, timeout=0.02)
    cluster.wait_for(f"{vip} has moved", lambda _: took(cluster, vip, cause) != "", timeout=60)
    cluster.lab.client.forget_neighbours()
    cluster.wait_for_announcer(vip, timeout=60)
    return prober.finish(probing)


@WAYS
def test_no_connection_goes_unanswered_while_an_address_moves(
    cluster: LabCluster, vip: IPv4Address, tmp_path: Path, move: Move, cause: str
) -> None:
    for attempt in range(TRIES):
        mend(cluster, vip)
        report = moved_while_asked(cluster, vip, move, cause, tmp_path / f"prober-{attempt}.log")
        if not starved(cluster):
            break
    cluster.manifests.write_cluster()
    assert (report.refused, report.unanswered) == (0, 0)


@WAYS
def test_both_sides_of_a_move_say_why_and_to_whom(
    cluster: LabCluster, vip: IPv4Address, move: Move, cause: str
) -> None:
    mend(cluster, vip)
    owner = cluster.wait_for_announcer(vip)
    with unmarked_again(cluster):
        move(cluster, owner)
        cluster.speaker(owner.name).wait_for(f"asks to be relieved of {vip}", timeout=60)
        cluster.speaker(owner.name).wait_for(f"handed {vip} over to ", timeout=60)
        successor = cluster.wait_for_announcer(vip, timeout=60)
        handed = next(line for line in cluster.speaker(owner.name).output().splitlines() if f"handed {vip}" in line)
        assert f"cause={cause}" in handed
        assert f"handed {vip} over to {successor.name}: " in handed
        taken = [line for line in cluster.speaker(successor.name).output().splitlines() if f"took {vip} " in line][-1]
        assert f"cause={cause}" in taken
        assert f"{owner.name} " in taken
        assert "asked to be relieved" in taken
        assert cluster.metrics(successor.name)[f'metalev_moves_total{{reason="{cause}"}}'] >= 1
        events = cluster.state / successor.name / "events"
        said = f'{vip} moved from node "{owner.name}" to node "{successor.name}": {cause}'
        cluster.wait_for(
            "the event is told",
            lambda _: any("announcerMoved" in text and said in text for text in map(read, events.glob("*.yaml"))),
            timeout=60,
        )


def test_the_connections_that_were_open_through_the_old_node_are_counted_and_shown(
    cluster: LabCluster, vip: IPv4Address
) -> None:
    mend(cluster, vip)
    owner = cluster.wait_for_announcer(vip)
    with ExitStack() as held, unmarked_again(cluster):
        for _ in range(3):
            connection = held.enter_context(cluster.lab.client.socket())
            connection.settimeout(60)
            connection.connect((str(vip), 80))
        exclude(cluster, owner)
        cluster.speaker(owner.name).wait_for(f"3 TCP connections to {vip} were open through this node", timeout=60)
        counted = 'metalev_connections_left_total{reason="not-candidate"}'
        assert cluster.metrics(owner.name)[counted] == 3


def test_the_successor_announces_before_the_old_one_says_goodbye(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    with cluster.lab.client.capture() as tape, owner.capture(BEACON) as beacons:
        assert cluster.speaker(owner.name).terminate(timeout=60) == 0
        goodbye = beacons.wait_for(lambda frame: frame.outgoing and bool(frame.payload[5] & GOODBYE), timeout=60)
        announced = tape.wait_for(
            lambda frame: (
                frame.arp is not None
                and frame.arp.gratuitous
                and frame.arp.sender == vip
                and frame.arp.sender_mac != owner.mac
            ),
            timeout=60,
        )
    assert announced.arp is not None
    assert announced.arp.operation in {arp.REQUEST, arp.REPLY}
    assert announced.at < goodbye.at


def test_the_last_announcer_goes_on_though_its_node_is_excluded(cluster: LabCluster, vip: IPv4Address) -> None:
    mend(cluster, vip)
    owner = cluster.wait_for_announcer(vip)
    others = [node for node in cluster.lab.nodes.values() if node != owner]
    for node in others:
        cluster.speaker(node.name).terminate(timeout=60)
    with unmarked_again(cluster):
        exclude(cluster, owner)
        cluster.speaker(owner.name).wait_for(f"asks to be relieved of {vip}", timeout=60)
        assert cluster.wait_for_announcer(vip, timeout=60) == owner
        cluster.start_speaker(others[0].name)
        cluster.speaker(owner.name).wait_for(f"handed {vip} over to {others[0].name}", timeout=60)
        assert cluster.wait_for_announcer(vip, timeout=60) == others[0]


def test_a_cordon_moves_nothing(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    nodes = [node_manifest(spec) for spec in cluster.lab.topology.nodes]
    (manifest,) = (one for one in nodes if one["metadata"]["name"] == owner.name)
    manifest["spec"] |= {"unschedulable": True, "taints": [{"key": "node.kubernetes.io/unschedulable"}]}
    before = cluster.speaker(owner.name).output()
    with unmarked_again(cluster):
        # A label that does move something, elsewhere: once that is known, so is the cordon.
        cluster.manifests.write("nodes", *nodes)
        other = next(node for node in cluster.lab.nodes.values() if node != owner)
        (labelled,) = (one for one in nodes if one["metadata"]["name"] == other.name)
        labelled["metadata"]["labels"][EXCLUDE] = ""
        cluster.manifests.write("nodes", *nodes)
        cluster.wait_for(
            "the owner has a new table",
            lambda _: cluster.speaker(owner.name).output().count("new table") > before.count("new table"),
            timeout=60,
        )
        assert cluster.wait_for_announcer(vip, timeout=60) == owner
        assert f"relieved of {vip}" not in cluster.speaker(owner.name).output()[len(before) :]

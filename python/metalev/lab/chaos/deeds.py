"""How each kind of event is done to a node of a cluster, and undone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

from metalev.lab import nft
from metalev.lab.chaos.schedule import Kind
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node

LOSS_PERCENT = 30
FIREWALL = """\
table inet metalev_chaos {
  chain input { type filter hook input priority -10; policy accept; udp dport 7946 drop; }
}
"""
SPIN = "while True: pass"

Mend: TypeAlias = Callable[[], None]


def _death(cluster: LabCluster, node: Node) -> Mend:
    node.kill()

    def mend() -> None:
        node.revive()
        _start(cluster, node)

    return mend


def _kill(cluster: LabCluster, node: Node) -> Mend:
    cluster.speaker(node.name).kill()
    return lambda: _start(cluster, node)


def _term(cluster: LabCluster, node: Node) -> Mend:
    cluster.speaker(node.name).terminate(timeout=60)
    return lambda: _start(cluster, node)


def _pause(cluster: LabCluster, node: Node) -> Mend:
    speaker = cluster.speaker(node.name)
    speaker.pause()
    return speaker.resume


def _restart(cluster: LabCluster, node: Node) -> Mend:
    cluster.speaker(node.name).kill()
    _start(cluster, node)
    return lambda: None


def _cable(_: LabCluster, node: Node) -> Mend:
    node.cut()
    return node.mend


def _mute(_: LabCluster, node: Node) -> Mend:
    node.cut_one_way("out")
    return node.mend


def _deaf(_: LabCluster, node: Node) -> Mend:
    node.cut_one_way("in")
    return node.mend


def _partition(cluster: LabCluster, node: Node) -> Mend:
    cluster.lab.partition([node], [other for other in cluster.lab.nodes.values() if other != node])
    return cluster.lab.heal


def _loss(cluster: LabCluster, _: Node) -> Mend:
    cluster.lab.lose(LOSS_PERCENT, among=cluster.lab.nodes.values())
    return lambda: cluster.lab.lose(0, among=())


def _firewall(_: LabCluster, node: Node) -> Mend:
    nft.load(node.namespace, FIREWALL)
    return lambda: nft.load(node.namespace, "delete table inet metalev_chaos\n")


def _starve(_: LabCluster, node: Node) -> Mend:
    spinning = [node.spawn([sys.executable, "-c", SPIN]) for _ in range(2 * (os.cpu_count() or 1))]

    def mend() -> None:
        for process in spinning:
            process.kill()

    return mend


def _rekey(cluster: LabCluster, _: Node) -> Mend:
    old, new = cluster.keys[0], cluster.new_key()
    cluster.set_keys(old, new)
    cluster.set_keys(new, old)
    return lambda: cluster.set_keys(new)


def _start(cluster: LabCluster, node: Node) -> None:
    speaker = cluster.start_speaker(node.name)
    for other in cluster.lab.nodes.values():
        if other != node:
            speaker.wait_for(f"{other.name} is heard on", timeout=60)


DEEDS: Mapping[Kind, Callable[[LabCluster, Node], Mend]] = {
    "death": _death,
    "kill": _kill,
    "term": _term,
    "pause": _pause,
    "restart": _restart,
    "cable": _cable,
    "mute": _mute,
    "deaf": _deaf,
    "partition": _partition,
    "loss": _loss,
    "firewall": _firewall,
    "starve": _starve,
    "rekey": _rekey,
}

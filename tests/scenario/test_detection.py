"""Faults that must move nothing, on real networks: each is named, and the address stays where it is."""

from ipaddress import IPv4Address

from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node

FIREWALL = """
table inet fence {
  chain in { type filter hook input priority 0; udp dport 7946 drop; }
  chain out { type filter hook output priority 0; udp dport 7946 drop; }
}
"""


def takeovers(cluster: LabCluster, vip: IPv4Address) -> int:
    logs = (cluster.speaker(name).output() for name in cluster.lab.nodes)
    return sum(log.count(f"took {vip}") for log in logs)


def put_up_a_firewall(node: Node) -> None:
    node.namespace.run(["nft", "-f", "-"], stdin=FIREWALL)


def take_it_down(node: Node) -> None:
    node.namespace.run(["nft", "delete", "table", "inet", "fence"])


def test_a_firewall_on_the_beacons_port_moves_nothing_and_is_named(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    before = takeovers(cluster, vip)
    put_up_a_firewall(owner)
    try:
        cluster.speaker(owner.name).wait_for("let out UDP 7946", timeout=60)
        for name in cluster.lab.nodes:
            if name != owner.name:
                cluster.speaker(name).wait_for(f"{owner.name} is no longer heard on udp", timeout=60)
        assert cluster.wait_for_announcer(vip) == owner
        assert takeovers(cluster, vip) == before
    finally:
        take_it_down(owner)


def test_loss_jitter_and_patience_are_shown_for_each_peer_and_path(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    samples = cluster.metrics(owner.name)
    others = [name for name in cluster.lab.nodes if name != owner.name]
    for metric in ("alive", "beacons_received_total", "beacons_missed_total", "beacon_jitter_seconds"):
        for path in ("eth0", "udp"):
            assert all(f'metalev_peer_{metric}{{path="{path}",peer="{name}"}}' in samples for name in others), metric
    assert samples["metalev_promise_seconds"] >= 0.15

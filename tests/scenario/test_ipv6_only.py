"""A cluster whose nodes have no IPv4 address: speakers hear each other by UDP and Ethernet all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from metalev.lab.cluster import LabCluster
from metalev.lab.topology import home_network


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    with LabCluster(home_network(nodes=3, pods_per_node=1, ipv6=True), tmp_path) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("six", families=(6,))
        nodes = list(yaml.safe_load_all(cluster.manifests.path("nodes").read_text()))
        for node in nodes:
            addresses = node["status"]["addresses"]
            node["status"]["addresses"] = [one for one in addresses if "." not in one["address"]]
        cluster.manifests.write("nodes", *nodes)
        for host in cluster.lab.nodes.values():
            host.run(["ip", "-4", "address", "flush", "dev", "eth0"])
        cluster.start()
        yield cluster


def test_an_address_is_announced_and_moves_when_its_node_dies(cluster: LabCluster) -> None:
    (vip,) = cluster.wait_for_addresses("six")
    first = cluster.wait_for_announcer(vip)
    others = [node for node in cluster.lab.nodes if node != first.name]
    for node in others:
        cluster.speaker(node).wait_for(f"{first.name} is heard on udp")
    first.kill()
    for node in others:
        cluster.speaker(node).wait_for(f"{first.name} is no longer heard on udp")
    assert cluster.wait_for_announcer(vip).name in others

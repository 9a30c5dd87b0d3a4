"""A cluster of namespaces with metalev on it, one per module, mended after every test."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from metalev.lab.cluster import LabCluster
from metalev.lab.topology import home_network


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Three nodes with a pod each; the pool of the home network; the Service ``web`` has an address."""
    directory: Path = tmp_path_factory.mktemp("cluster")
    with LabCluster(home_network(nodes=3, pods_per_node=1), directory) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web")
        cluster.start()
        cluster.wait_for_address("web")
        yield cluster


@pytest.fixture
def vip(cluster: LabCluster) -> Iterator[IPv4Address]:
    """The address of ``web``; every node lives and it is announced by one, before the test and after it."""
    address = cluster.wait_for_address("web")
    cluster.wait_for_announcer(address)
    yield address
    cluster.lab.heal()
    for name, node in cluster.lab.nodes.items():
        node.mend()
        node.revive()
        node.resume()
        if not cluster.speaker(name).running:
            cluster.start_speaker(name).wait_for("is heard on")
    cluster.wait_for_announcer(address)

"""A cluster of namespaces with metalev on it, one per module, mended after every test."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from metalev.lab.cluster import LabCluster
from metalev.lab.topology import home_network
from metalev.model.address import IPAddress


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Three nodes with a pod each, and a pool of both families.

    The Service ``web`` has an IPv4 address, ``six`` an IPv6 address, ``dual`` one of each.
    """
    directory: Path = tmp_path_factory.mktemp("cluster")
    with LabCluster(home_network(nodes=3, pods_per_node=1, ipv6=True), directory) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web")
        cluster.manifests.write_service("six", families=(6,))
        cluster.manifests.write_service("dual", families=(4, 6))
        cluster.start()
        cluster.wait_for_address("web")
        yield cluster


@pytest.fixture
def vip(cluster: LabCluster) -> Iterator[IPv4Address]:
    """The address of ``web``; every node lives and it is announced by one, before the test and after it."""
    address = cluster.wait_for_address("web")
    cluster.wait_for_announcer(address)
    yield address
    mend(cluster, address)


@pytest.fixture
def vip6(cluster: LabCluster) -> Iterator[IPv6Address]:
    """The same of ``six``."""
    (address,) = cluster.wait_for_addresses("six")
    assert isinstance(address, IPv6Address)
    cluster.wait_for_announcer(address)
    yield address
    mend(cluster, address)


@pytest.fixture
def pair(cluster: LabCluster) -> Iterator[tuple[IPAddress, ...]]:
    """The same of ``dual``: its IPv4 address and its IPv6 address."""
    addresses = cluster.wait_for_addresses("dual", count=2)
    for address in addresses:
        cluster.wait_for_announcer(address)
    yield addresses
    mend(cluster, *addresses)


def mend(cluster: LabCluster, *addresses: IPAddress) -> None:
    """Undo every fault, and wait until each of the addresses is announced by one node."""
    cluster.lab.heal()
    for name, node in cluster.lab.nodes.items():
        node.mend()
        node.revive()
        node.resume()
        if not cluster.speaker(name).running:
            cluster.start_speaker(name).wait_for("is heard on")
    for address in addresses:
        cluster.wait_for_announcer(address)

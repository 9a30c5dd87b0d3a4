"""An address of a subnet that some of the nodes have and others have not."""

from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv4Address

import pytest

from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.manifests import l2_advertisement, pool

VIP = IPv4Address("192.168.77.9")
STANDS_BACK = f"{VIP} is not announced from this node: no interface that may carry it has a subnet with it"


def first_candidate(cluster: LabCluster) -> Node:
    """By MetalLB's order."""
    nodes = cluster.lab.nodes.values()
    return min(nodes, key=lambda node: sha256(f"{node.name}#{VIP}".encode()).digest())


def set_subnet(node: Node, what: str) -> None:
    """``add`` or ``del`` an address beside :data:`VIP` on a node's interface."""
    node.run(["ip", "address", what, f"192.168.77.{node.address.packed[-1]}/24", "dev", "eth0"])


@pytest.fixture
def outsider(cluster: LabCluster) -> Iterator[Node]:
    """The first candidate for :data:`VIP`, and the one node without a subnet for it."""
    outsider = first_candidate(cluster)
    others = [node for node in cluster.lab.nodes.values() if node is not outsider]
    for node in others:
        set_subnet(node, "add")
    cluster.manifests.write("other", pool("other", [f"{VIP}/32"]), l2_advertisement("other", ["other"]))
    cluster.manifests.write_service("elsewhere", annotations={"metallb.io/address-pool": "other"})
    yield outsider
    for node in others:
        set_subnet(node, "del")
    cluster.manifests.remove("elsewhere")
    cluster.manifests.remove("other")


def test_a_node_without_a_subnet_for_the_address_says_so_and_one_that_has_it_announces(
    cluster: LabCluster, outsider: Node
) -> None:
    cluster.speaker(outsider.name).wait_for(STANDS_BACK)
    assert cluster.wait_for_announcer(VIP) is not outsider
    assert [name for name in cluster.lab.nodes if STANDS_BACK in cluster.speaker(name).output()] == [outsider.name]


def test_it_announces_the_address_when_the_last_node_with_the_subnet_dies(
    cluster: LabCluster, outsider: Node, vip: IPv4Address
) -> None:
    cluster.speaker(outsider.name).wait_for(STANDS_BACK)
    assert cluster.wait_for_announcer(VIP) is not outsider
    for node in cluster.lab.nodes.values():
        if node is not outsider:
            node.kill()
    assert cluster.wait_for_announcer(VIP) is outsider

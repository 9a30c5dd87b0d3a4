"""The lab's descriptions: topologies, faults, manifests."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from metalev.adapters.codec import Codec
from metalev.lab.faults import Faults, rules
from metalev.lab.manifests import Manifests
from metalev.lab.topology import HostSpec, home_network
from metalev.model.cluster import Node
from metalev.model.errors import BadValue
from metalev.model.pools import Pool
from metalev.model.services import EndpointSlice, Service, TrafficPolicy


def decode(path: Path) -> list[object]:
    return [Codec("metallb-system").decode(document) for document in yaml.safe_load_all(path.read_text())]


def test_the_home_network_has_the_addresses_of_its_document() -> None:
    addresses = [str(node.address) for node in home_network(nodes=4).nodes]
    assert addresses == ["192.168.1.10", "192.168.1.11", "192.168.1.12", "192.168.1.20"]


def test_a_home_network_has_room_for_thirty_nodes_with_many_pods() -> None:
    topology = home_network(nodes=30, pods_per_node=10)
    assert len(list(topology.pods)) == 300


def test_more_nodes_than_fit_are_refused() -> None:
    with pytest.raises(BadValue, match="1 to 33 nodes, not 34"):
        home_network(nodes=34)


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        (HostSpec("node1", IPv4Address("192.168.1.100")), "bear one name"),
        (HostSpec("a-name-that-is-too-long", IPv4Address("192.168.1.100")), "longer than 15"),
        (HostSpec("client", IPv4Address("192.168.2.100")), "not in 192.168.1.0/24"),
    ],
)
def test_a_topology_that_cannot_be_made_is_refused(client: HostSpec, problem: str) -> None:
    with pytest.raises(BadValue, match=problem):
        replace(home_network(), client=client)


def test_no_faults_drop_nothing() -> None:
    assert " drop" not in rules(Faults())


def test_a_partition_drops_in_both_directions() -> None:
    text = rules(Faults(sides=(frozenset({"a"}), frozenset({"b", "c"}))))
    assert 'iifname { "a" } oifname { "b", "c" } drop' in text
    assert 'iifname { "b", "c" } oifname { "a" } drop' in text


def test_the_manifests_of_a_cluster_are_read_as_its_nodes(tmp_path: Path) -> None:
    Manifests(tmp_path, home_network()).write_cluster()
    nodes = [node for node in decode(tmp_path / "nodes.yaml") if isinstance(node, Node)]
    assert [(node.name.name, str(node.addresses[0])) for node in nodes] == [
        ("node1", "192.168.1.10"),
        ("node2", "192.168.1.11"),
        ("node3", "192.168.1.12"),
    ]


def test_the_pool_is_the_one_of_the_document(tmp_path: Path) -> None:
    Manifests(tmp_path, home_network()).write_pool()
    (pool,) = (pool for pool in decode(tmp_path / "pool.yaml") if isinstance(pool, Pool))
    assert sum(part.size for part in pool.ranges) == 11


def test_a_service_is_read_with_its_options_and_pods(tmp_path: Path) -> None:
    Manifests(tmp_path, home_network()).write_service("web", traffic_policy="Local", sticky_seconds=60)
    service, pods = decode(tmp_path / "web.yaml")
    assert isinstance(service, Service)
    assert isinstance(pods, EndpointSlice)
    assert (service.traffic_policy, service.session_affinity_seconds) == (TrafficPolicy.LOCAL, 60)
    assert [endpoint.node for endpoint in pods.endpoints] == ["node1", "node1", "node2", "node2", "node3", "node3"]


def test_endpoints_change_without_their_service(tmp_path: Path) -> None:
    topology = home_network()
    manifests = Manifests(tmp_path, topology)
    manifests.write_service("web")
    manifests.write_endpoints("web", topology.pods, unready=["pod-a"])
    service, pods = decode(tmp_path / "web.yaml")
    assert isinstance(service, Service)
    assert isinstance(pods, EndpointSlice)
    assert [endpoint.ready for endpoint in pods.endpoints] == [False, True, True, True, True, True]


def test_what_is_removed_is_gone(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path, home_network())
    manifests.write_service("web")
    manifests.remove("web")
    assert list(tmp_path.iterdir()) == []

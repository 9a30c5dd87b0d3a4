"""What is on the wire while nothing fails."""

from ipaddress import IPv4Address

import pytest

from metalev.lab.cluster import LabCluster
from metalev.lab.namespace import LabError
from metalev.model.meta import Name

CAP_NET_RAW = 1 << 13


def test_exactly_one_node_answers(cluster: LabCluster, vip: IPv4Address) -> None:
    assert len(cluster.lab.client.who_has(vip, timeout=2)) == 1


def test_a_client_reaches_pods_of_several_nodes_through_the_vip(cluster: LabCluster, vip: IPv4Address) -> None:
    pages = [cluster.lab.client.run(["curl", "-sf", "-m", "20", f"http://{vip}/"]).stdout for _ in range(30)]
    assert len({page.split("Node: ")[1].split()[0] for page in pages}) > 1


def test_the_vip_is_on_no_interface(cluster: LabCluster, vip: IPv4Address) -> None:
    assert not [node.name for node in cluster.lab.nodes.values() if str(vip) in node.run(["ip", "address"]).stdout]


def test_an_address_of_the_pool_that_nobody_holds_is_not_answered(cluster: LabCluster, vip: IPv4Address) -> None:
    assert cluster.announcers(vip + 9) == []


def test_a_speaker_keeps_net_raw_and_no_other_capability(cluster: LabCluster) -> None:
    with open(f"/proc/{cluster.speaker('node1').pid}/status") as status:  # noqa: PTH123
        sets = dict(line.strip().split(":\t") for line in status if line.startswith("Cap"))
    assert {name: int(value, 16) for name, value in sets.items()} == {
        "CapInh": 0,
        "CapPrm": CAP_NET_RAW,
        "CapEff": CAP_NET_RAW,
        "CapBnd": CAP_NET_RAW,
        "CapAmb": 0,
    }


def test_a_restart_of_the_controller_changes_nothing(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    cluster.stop_controller()
    cluster.start_controller()
    assert cluster.wait_for_address("web") == vip
    assert cluster.wait_for_announcer(vip) == owner


def test_a_second_controller_refuses_to_start_and_names_the_first(cluster: LabCluster) -> None:
    with pytest.raises(LabError, match=r"the controller already runs on .* as process"):
        cluster.start_controller(name="second")


def test_with_traffic_policy_local_only_a_node_with_an_endpoint_announces(cluster: LabCluster) -> None:
    (_, _, (third, pod)) = cluster.lab.topology.pods
    cluster.manifests.write_service("local", traffic_policy="Local")
    cluster.manifests.write_endpoints("local", [(third, pod)])
    vip = cluster.wait_for_address("local")
    assert cluster.wait_for_announcer(vip).name == third.name
    cluster.manifests.remove("local")


def test_a_service_without_endpoints_is_not_announced_and_says_so(cluster: LabCluster) -> None:
    cluster.manifests.write_service("empty")
    cluster.manifests.write_endpoints("empty", [])
    vip = cluster.wait_for_address("empty")
    cluster.controller.wait_for("reason=NotAnnounced")
    assert cluster.announcers(vip) == []
    cluster.manifests.remove("empty")


def test_an_address_is_announced_for_those_of_its_services_that_have_endpoints(cluster: LabCluster) -> None:
    sharing = {"metallb.io/allow-shared-ip": "key", "metallb.io/loadBalancerIPs": "192.168.1.207"}
    cluster.manifests.write_service("idle", annotations=sharing, ports={"echo": 7})
    cluster.manifests.write_endpoints("idle", [])
    vip = cluster.wait_for_address("idle")
    cluster.wait_for_silence(vip)
    cluster.manifests.write_service("busy", annotations=sharing, ports={"http": 80})
    assert cluster.wait_for_address("busy") == vip
    cluster.wait_for_announcer(vip)
    cluster.manifests.remove("idle")
    cluster.manifests.remove("busy")


def test_an_address_falls_silent_when_its_service_goes(cluster: LabCluster) -> None:
    cluster.manifests.write_service("gone")
    vip = cluster.wait_for_address("gone")
    owner = cluster.wait_for_announcer(vip)
    cluster.manifests.remove("gone")
    cluster.speaker(owner.name).wait_for(f"fell silent for {vip}")
    assert cluster.announcers(vip) == []
    cluster.wait_for("nobody knows it", lambda seen: Name("default", "gone") not in seen.services)

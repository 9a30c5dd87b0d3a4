"""What a client gets when it sends to an address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.cluster import wait_for
from tests.e2e.room import HOME, Room, web


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def serve(room: Room, family: int, **spec: Any) -> str:
    """The address of an announced Service ``web`` of this family."""
    (address,) = room.pool_of(family == 4, ipv6=family == 6)
    room.advertise()
    room.service("web", ipFamilies=[f"IPv{family}"], **spec)
    room.announcer(address)
    room.page(address)
    return address


def hosts(room: Room, address: str, times: int) -> set[str]:
    """The Pods that answer."""
    return {room.page(address, "/hostname") for _ in range(times)}


def test_the_pods_of_all_nodes_answer(room: Room, family: int) -> None:
    address = serve(room, family)
    node_of = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in room.pods("web")}
    assert {node_of[name] for name in hosts(room, address, 30)} == set(node_of.values())


def test_under_the_policy_local_the_address_is_on_the_pods_node(room: Room, family: int) -> None:
    address = serve(room, family, selector={"app": "one"}, externalTrafficPolicy="Local")
    (pod,) = room.pods("one")
    assert room.announcer(address) == pod["spec"]["nodeName"]


def test_under_the_policy_local_the_pod_sees_the_clients_address(room: Room, family: int) -> None:
    address = serve(room, family, selector={"app": "one"}, externalTrafficPolicy="Local")
    client = room.cluster.address_towards(address)
    assert room.page(address, "/clientip").rpartition(":")[0].strip("[]") == client


def test_under_the_policy_local_only_pods_of_the_announcer_answer(room: Room, family: int) -> None:
    address = serve(room, family, externalTrafficPolicy="Local")
    node = room.announcer(address)
    here = {pod["metadata"]["name"] for pod in room.pods("web") if pod["spec"]["nodeName"] == node}
    assert hosts(room, address, 12) <= here


@pytest.fixture
def elsewhere(room: Room) -> Iterator[str]:
    """A Pod on another node than that of ``one``, by the label ``app: elsewhere``; its node."""
    (pod,) = room.pods("one")
    node = next(one for one in room.cluster.nodes if one != pod["spec"]["nodeName"])
    selector = {"kubernetes.io/hostname": node}
    room.cluster.apply(web("elsewhere", 1, nodeSelector=selector), namespace=HOME)
    room.cluster.kubectl("rollout", "status", "deployment/elsewhere", "-n", HOME, "--timeout=120s")
    yield node
    room.cluster.kubectl("delete", "deployment", "elsewhere", "-n", HOME, "--wait=false")


def test_under_the_policy_local_the_address_follows_the_pods(room: Room, elsewhere: str) -> None:
    address = serve(room, 4, selector={"app": "one"}, externalTrafficPolicy="Local")
    room.change("web", '{"spec": {"selector": {"app": "elsewhere"}}}')
    room.wait_for_announcer(address, elsewhere)
    wait_for("the new pod answers", lambda: hosts(room, address, 1) == {room.pods("elsewhere")[0]["metadata"]["name"]})


def test_a_change_to_the_policy_local_keeps_the_address_and_moves_it_to_the_pod(room: Room) -> None:
    address = serve(room, 4, selector={"app": "one"})
    room.change("web", '{"spec": {"externalTrafficPolicy": "Local"}}')
    (pod,) = room.pods("one")
    room.wait_for_announcer(address, pod["spec"]["nodeName"])
    assert room.held("web") == [address]


def test_the_same_client_reaches_the_same_pod_by_session_affinity(room: Room, family: int) -> None:
    address = serve(room, family, sessionAffinity="ClientIP")
    assert len(hosts(room, address, 12)) == 1


def test_a_udp_service_answers(room: Room, family: int) -> None:
    (address,) = room.pool_of(family == 4, ipv6=family == 6)
    room.advertise()
    room.service("web", ipFamilies=[f"IPv{family}"], ports=[{"name": "dns", "port": 53, "protocol": "UDP"}])
    room.announcer(address)
    answer = wait_for("a datagram is answered", lambda: room.cluster.datagram(address, "hostname", 53))
    assert answer.startswith("web-")


def test_one_service_with_tcp_and_udp_answers_by_both(room: Room) -> None:
    ports = [{"name": "tcp", "port": 53, "targetPort": 80}, {"name": "udp", "port": 53, "protocol": "UDP"}]
    (address,) = room.pool_of()
    room.advertise()
    room.service("web", ports=ports)
    assert room.page(address, "/hostname", 53).startswith("web-")
    wait_for("a datagram is answered", lambda: room.cluster.datagram(address, "hostname", 53))


def test_a_service_without_node_ports_answers(room: Room) -> None:
    address = serve(room, 4, allocateLoadBalancerNodePorts=False)
    assert room.page(address, "/hostname").startswith("web-")


def test_who_is_not_in_the_source_ranges_is_not_let_in(room: Room) -> None:
    address = serve(room, 4)
    room.change("web", '{"spec": {"loadBalancerSourceRanges": ["192.0.2.0/24"]}}')
    wait_for("the client is kept out", lambda: room.cluster.curl(address) is None)
    assert room.held("web") == [address]

"""The stand-in for kube-proxy leads a Service's traffic as the real one does."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from metalev.lab import kubeproxy
from metalev.lab.lab import Lab
from metalev.lab.topology import home_network
from metalev.model.meta import Name
from metalev.model.services import Endpoint, EndpointSlice, Port, Service, ServiceStatus, TrafficPolicy

VIP = IPv4Address("192.168.1.200")
CLUSTER_IP = IPv4Address("10.96.0.10")
WEB = Name("default", "web")
TOPOLOGY = home_network(nodes=3, pods_per_node=2)
PODS = tuple(Endpoint((str(pod.address),), node.name) for node, pod in TOPOLOGY.pods)
ALL_NAMES = {pod.name for _, pod in TOPOLOGY.pods}


def service(policy: TrafficPolicy = TrafficPolicy.CLUSTER, sticky: int | None = None) -> Service:
    return Service(
        WEB,
        type="LoadBalancer",
        cluster_ips=(CLUSTER_IP,),
        traffic_policy=policy,
        session_affinity_seconds=sticky,
        ports=(Port("TCP", 80, "http"),),
        status=ServiceStatus((VIP,)),
    )


def slice_of(*endpoints: Endpoint) -> EndpointSlice:
    return EndpointSlice(Name("default", "web-1"), WEB, endpoints=endpoints, ports=(Port("TCP", 80, "http"),))


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    with Lab(TOPOLOGY) as lab:
        lab.client.pin_neighbour(VIP, lab.node("node2").mac)
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """Node 2 holds the address; its table is empty."""
    kubeproxy.apply(shared_lab.node("node2"), [], [], TOPOLOGY.cluster_cidr)
    return shared_lab


def program(lab: Lab, wanted: Service, *endpoints: Endpoint) -> None:
    kubeproxy.apply(lab.node("node2"), [wanted], [slice_of(*endpoints)], TOPOLOGY.cluster_cidr)


def ask(lab: Lab, times: int = 40, address: object = VIP, by: str = "client") -> list[dict[str, str]]:
    """What the pods answer to so many connections, one answer for each that was answered."""
    curl = ["curl", "-s", "--max-time", "10", "-H", "Connection: close", *[f"http://{address}/"] * times]
    text = lab.namespace_of(by).run(curl, check=False).stdout
    pages = text.split("Server address: ")[1:]
    return [dict(line.split(": ", 1) for line in page.splitlines()[1:]) for page in pages]


def names(answers: list[dict[str, str]]) -> set[str]:
    return {answer["Server name"] for answer in answers}


def clients(answers: list[dict[str, str]]) -> set[str]:
    return {answer["Client address"].partition(":")[0] for answer in answers}


def exit_status(lab: Lab) -> int:
    return lab.client.run(["curl", "-s", "--max-time", "2", f"http://{VIP}/"], check=False).returncode


def test_cluster_policy_leads_to_pods_of_every_node_and_masquerades(lab: Lab) -> None:
    program(lab, service(), *PODS)
    answers = ask(lab, times=80)
    assert len(answers) == 80
    assert names(answers) == ALL_NAMES
    assert str(lab.client.address) not in clients(answers)


def test_local_policy_uses_the_nodes_own_pods_and_keeps_the_clients_address(lab: Lab) -> None:
    program(lab, service(TrafficPolicy.LOCAL), *PODS)
    answers = ask(lab)
    assert names(answers) == {"pod-c", "pod-d"}
    assert clients(answers) == {str(lab.client.address)}


def test_local_policy_drops_where_the_node_has_no_pod(lab: Lab) -> None:
    program(lab, service(TrafficPolicy.LOCAL), *PODS[:2])
    assert exit_status(lab) == 28  # timed out: neither answered nor refused


def test_from_inside_the_cluster_local_policy_reaches_all_pods(lab: Lab) -> None:
    program(lab, service(TrafficPolicy.LOCAL), *PODS)
    assert len(names(ask(lab, by="pod-c"))) > 2


def test_a_sticky_client_stays_with_its_pod(lab: Lab) -> None:
    program(lab, service(sticky=3600), *PODS)
    assert len(names(ask(lab))) == 1


def test_a_sticky_client_stays_when_other_pods_come_and_go(lab: Lab) -> None:
    program(lab, service(sticky=3600), *PODS)
    (chosen,) = names(ask(lab, times=1))
    position = [pod.name for _, pod in TOPOLOGY.pods].index(chosen)
    program(lab, service(sticky=3600), PODS[position], PODS[position - 1])
    assert names(ask(lab)) == {chosen}


def test_a_sticky_client_moves_when_its_pod_has_gone(lab: Lab) -> None:
    program(lab, service(sticky=3600), *PODS)
    (chosen,) = names(ask(lab, times=1))
    others = [PODS[index] for index, (_, pod) in enumerate(TOPOLOGY.pods) if pod.name != chosen]
    program(lab, service(sticky=3600), *others)
    moved = names(ask(lab))
    assert len(moved) == 1
    assert chosen not in moved


def test_stickiness_can_be_switched_off_again(lab: Lab) -> None:
    program(lab, service(sticky=3600), *PODS)
    program(lab, service(), *PODS)
    assert len(names(ask(lab))) > 2


def test_a_service_without_pods_is_refused(lab: Lab) -> None:
    program(lab, service())
    assert exit_status(lab) == 7  # refused


def test_a_pod_that_is_not_ready_gets_nothing(lab: Lab) -> None:
    program(lab, service(), PODS[0], Endpoint(PODS[1].addresses, "node1", ready=False, serving=False))
    assert names(ask(lab)) == {"pod-a"}


def test_terminating_pods_serve_on_when_nothing_else_does(lab: Lab) -> None:
    program(lab, service(), Endpoint(PODS[0].addresses, "node1", ready=False, serving=True))
    assert names(ask(lab, times=2)) == {"pod-a"}


def test_the_cluster_address_works_on_the_node_itself(lab: Lab) -> None:
    program(lab, service(), *PODS)
    assert len(ask(lab, times=3, address=CLUSTER_IP, by="node2")) == 3


def test_a_pod_reaches_itself_through_its_service(lab: Lab) -> None:
    program(lab, service(), PODS[2])
    assert names(ask(lab, times=1, by="pod-c")) == {"pod-c"}


def test_a_connection_survives_a_change_of_the_table(lab: Lab) -> None:
    with_echo = Service(WEB, ports=(Port("TCP", 7, "echo"),), status=ServiceStatus((VIP,)))
    echo = EndpointSlice(Name("default", "web-1"), WEB, endpoints=PODS, ports=(Port("TCP", 7, "echo"),))
    node = lab.node("node2")
    kubeproxy.apply(node, [with_echo], [echo], TOPOLOGY.cluster_cidr)
    with lab.client.socket() as connection:
        connection.settimeout(60)
        connection.connect((str(VIP), 7))
        kubeproxy.apply(node, [with_echo, service()], [], TOPOLOGY.cluster_cidr)
        connection.sendall(b"still here")
        assert connection.recv(100) == b"still here"


def test_a_power_cut_takes_the_connections_away(lab: Lab) -> None:
    node = lab.node("node2")
    program(lab, service(), *PODS)
    ask(lab, times=1)
    before = node.run(["cat", "/proc/net/nf_conntrack"]).stdout
    node.kill()
    after = node.run(["cat", "/proc/net/nf_conntrack"]).stdout
    node.revive()
    assert f"dst={VIP}" in before
    assert f"dst={VIP}" not in after


def test_what_is_no_longer_wanted_leaves_no_trace(lab: Lab) -> None:
    node = lab.node("node2")
    kubeproxy.apply(node, [], [], TOPOLOGY.cluster_cidr)
    empty = node.run(["nft", "list", "ruleset"]).stdout
    program(lab, service(sticky=60), *PODS)
    kubeproxy.apply(node, [], [], TOPOLOGY.cluster_cidr)
    assert node.run(["nft", "list", "ruleset"]).stdout == empty


def test_the_rules_are_the_same_whatever_the_order_of_the_endpoints() -> None:
    forwards = kubeproxy.ruleset([service()], [slice_of(*PODS)], "node1", TOPOLOGY.cluster_cidr)
    backwards = kubeproxy.ruleset([service()], [slice_of(*reversed(PODS))], "node1", TOPOLOGY.cluster_cidr)
    assert forwards == backwards


def test_the_kernel_takes_the_same_rules_for_ipv6(lab: Lab) -> None:
    six = Service(
        WEB,
        ports=(Port("TCP", 80, "http"),),
        status=ServiceStatus((IPv6Address("fd00::200"),)),
        session_affinity_seconds=60,
    )
    pods = EndpointSlice(
        Name("default", "web-6"), WEB, family=6, endpoints=(Endpoint(("fd01::2",)),), ports=(Port("TCP", 8080, "http"),)
    )
    rules = kubeproxy.ruleset([six], [pods], "node1", ip_network("fd01::/48"))
    assert "dnat to [fd01::2]:8080" in rules
    lab.node("node2").run(["nft", "--check", "-f", "-"], stdin=rules)

"""The lab has IPv6 beside IPv4 where its topology says so, and asks for neighbours in its own words."""

import socket
import time
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from msgspec.structs import replace

from metalev.lab import kubeproxy, ndp, prober
from metalev.lab.arp import Frame
from metalev.lab.lab import Lab
from metalev.lab.topology import HostSpec, home_network, socket_address
from metalev.model.address import IPAddress
from metalev.model.errors import BadValue
from metalev.model.meta import Name
from metalev.model.services import Endpoint, EndpointSlice, Port, Service, ServiceStatus

TOPOLOGY = home_network(nodes=3, pods_per_node=1, ipv6=True)
VIP = IPv6Address("fd00:192:168:1::200")
WEB = Name("default", "web")
HTTP = (Port("TCP", 80, "http"),)

# Captured from Linux 6.18: fe80::1 with 02:00:00:00:00:01 asks for fd00::2.
CAPTURED_SOLICITATION = bytes.fromhex(
    "3333ff000002020000000001 86dd 6000000000203aff fe800000000000000000000000000001 ff0200000000000000000001ff000002"
    "8700 7c17 00000000 fd000000000000000000000000000002 0101020000000001"
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(TOPOLOGY) as lab:
        yield lab


def address6(lab: Lab, name: str) -> IPv6Address:
    address = lab.host(name).address6
    assert address is not None
    return address


# ===== the topology =====


def test_every_host_has_the_address_that_reads_like_its_first() -> None:
    assert [str(host.address6) for host in TOPOLOGY.hosts] == [
        f"fd00:192:168:1::{host.address.packed[-1]}" for host in TOPOLOGY.hosts
    ]


def test_every_pod_has_an_address_of_its_nodes_network() -> None:
    assert [str(pod.address6) for _, pod in TOPOLOGY.pods] == [f"fd00:10:244:{number}::2" for number in (1, 2, 3)]


def test_a_topology_without_ipv6_has_none_of_it() -> None:
    topology = home_network()
    assert {host.address6 for host in topology.hosts} == {None}
    assert topology.subnets == (topology.subnet,)
    assert topology.cluster_cidrs == (topology.cluster_cidr,)


@pytest.mark.parametrize("address", [None, IPv6Address("fd00:192:168:2::100")])
def test_a_host_that_is_not_on_the_segment_is_refused(address: IPv6Address | None) -> None:
    client = HostSpec("client", TOPOLOGY.client.address, address)
    with pytest.raises(BadValue, match=r"client has .* for IPv6, and the segment fd00:192:168:1::/64"):
        replace(TOPOLOGY, client=client)


def test_a_socket_address_is_written_as_in_a_url() -> None:
    assert socket_address(VIP, 80) == "[fd00:192:168:1::200]:80"
    assert socket_address("192.168.1.200", 80) == "192.168.1.200:80"


# ===== the wire =====


def test_a_solicitation_is_written_as_linux_writes_it() -> None:
    asked = ndp.solicitation("02:00:00:00:00:01", IPv6Address("fe80::1"), IPv6Address("fd00::2"))
    assert asked == CAPTURED_SOLICITATION


def test_what_is_written_is_read_again() -> None:
    sender = IPv6Address("fe80::1")
    assert ndp.parse(CAPTURED_SOLICITATION[14:]) == ndp.NdpPacket(
        ndp.SOLICITATION,
        sender,
        ndp.solicited_node(IPv6Address("fd00::2")),
        IPv6Address("fd00::2"),
        link_layer="02:00:00:00:00:01",
    )


@pytest.mark.parametrize("length", [0, 39, 63, len(CAPTURED_SOLICITATION) - 15])
def test_a_truncated_packet_is_not_read(length: int) -> None:
    assert ndp.parse(CAPTURED_SOLICITATION[14 : 14 + length]) is None


@pytest.mark.parametrize("position", [14 + 7, 14 + 41, 14 + 42, 14 + 60])
def test_a_packet_with_a_wrong_byte_is_not_read(position: int) -> None:
    """The hop limit, the code, the checksum, the target."""
    damaged = bytearray(CAPTURED_SOLICITATION)
    damaged[position] ^= 1
    assert ndp.parse(bytes(damaged[14:])) is None


def test_an_advertisement_tells_everybody() -> None:
    told = ndp.parse(ndp.advertisement("02:00:00:00:00:01", VIP)[14:])
    assert told is not None
    assert (told.unsolicited, told.override, told.target) == (True, True, VIP)
    assert told.link_layer == "02:00:00:00:00:01"


# ===== on a real kernel =====


def test_everybody_answers_for_its_own_address(lab: Lab) -> None:
    names = [*lab.nodes, "router"]
    assert {name: lab.client.who_has(address6(lab, name)) for name in names} == {
        name: [lab.host(name).mac] for name in names
    }


def test_nobody_answers_for_an_address_that_nobody_has(lab: Lab) -> None:
    assert lab.client.who_has(VIP, timeout=0.1) == []


def test_two_holders_of_an_address_both_answer(lab: Lab) -> None:
    for name in ("node1", "node2"):
        lab.node(name).run(["ip", "address", "add", f"{VIP}/128", "dev", "eth0", "nodad"])
    both = {lab.node("node1").mac, lab.node("node2").mac}
    answered, deadline = set[str](), time.monotonic() + 10  # on a busy machine an answer may come after its question
    while answered != both and time.monotonic() < deadline:
        answered |= set(lab.client.who_has(VIP))
    for name in ("node1", "node2"):
        lab.node(name).run(["ip", "address", "del", f"{VIP}/128", "dev", "eth0"])
    assert answered == both


def test_no_address_is_tentative(lab: Lab) -> None:
    namespaces = [*lab.nodes, "client", "router", "pod-a", "pod-b", "pod-c"]
    assert {lab.namespace_of(name).run(["ip", "-6", "address", "show", "tentative"]).stdout for name in namespaces} == {
        ""
    }


def test_an_address_need_not_wait_for_the_kernel_to_come_to_it(lab: Lab) -> None:
    """One that is added without this flag is tentative for a moment also where there is no DAD."""
    for name in ("node1", "client", "pod-a"):
        shown = lab.namespace_of(name).run(["ip", "-6", "-o", "address", "show", "scope", "global"]).stdout
        assert shown
        assert all(" nodad " in line for line in shown.splitlines())


def test_pods_answer_across_nodes(lab: Lab) -> None:
    page = lab.namespace_of("pod-a").run(["curl", "-s", "-m", "20", "http://[fd00:10:244:3::2]/"]).stdout
    assert "Server address: [fd00:10:244:3::2]:80\nServer name: pod-c\nNode: node3\n" in page
    assert "Client address: [fd00:10:244:1::2]:" in page


def test_the_client_learns_and_forgets_neighbours(lab: Lab) -> None:
    address = address6(lab, "node3")
    lab.client.run(["curl", "-s", "-m", "2", f"http://[{address}]:1/"], check=False)
    assert lab.client.neighbour(address) == lab.node("node3").mac
    lab.client.forget_neighbours()
    assert lab.client.neighbour(address) is None


def test_a_capture_shows_a_question_and_its_answer(lab: Lab) -> None:
    node = lab.node("node1")
    address = address6(lab, "node1")

    def is_answer(frame: Frame) -> bool:
        return frame.ndp is not None and frame.ndp.kind == ndp.ADVERTISEMENT and frame.ndp.target == address

    with lab.client.capture(ndp.ETHERTYPE_IPV6) as tape:
        lab.client.who_has(address)
        answer = tape.wait_for(is_answer).ndp
    assert answer is not None
    assert (answer.solicited, answer.override, answer.link_layer) == (True, True, node.mac)
    assert not answer.unsolicited


def test_a_power_cut_silences_both_families(lab: Lab) -> None:
    node = lab.node("node2")
    addresses: tuple[IPAddress, ...] = (node.address, address6(lab, "node2"))
    node.kill()
    assert [lab.client.who_has(address, timeout=0.1) for address in addresses] == [[], []]
    node.revive()
    assert [lab.client.who_has(address) for address in addresses] == [[node.mac], [node.mac]]


@pytest.fixture
def served(lab: Lab) -> Iterator[Lab]:
    """Node 2 holds the address and has kube-proxy's rules for it."""
    service = Service(WEB, ports=HTTP, status=ServiceStatus((VIP,)))
    pods = tuple(Endpoint((str(pod.address6),), node.name) for node, pod in TOPOLOGY.pods)
    slices = [EndpointSlice(Name("default", "web-6"), WEB, family=6, endpoints=pods, ports=HTTP)]
    node = lab.node("node2")
    kubeproxy.apply(node, [service], slices, TOPOLOGY.cluster_cidr6)
    lab.client.pin_neighbour(VIP, node.mac)
    yield lab
    lab.client.forget_neighbours()
    kubeproxy.apply(node, [], [], TOPOLOGY.cluster_cidr6)


def test_the_proxy_leads_to_pods_of_every_node_and_masquerades(served: Lab) -> None:
    curl = ["curl", "-s", "-m", "20", "-H", "Connection: close", *[f"http://[{VIP}]/"] * 60]
    answers = served.client.run(curl).stdout
    assert all(f"Node: node{number}\n" in answers for number in (1, 2, 3))
    assert str(served.client.address6) not in answers


def test_the_prober_connects_and_holds_connections(served: Lab, tmp_path: Path) -> None:
    pod = "[fd00:10:244:2::2]"
    probing = prober.start(served.node("node1"), f"{pod}:80", log=tmp_path / "log", held=2, echo=f"{pod}:7")
    report = prober.finish(probing)
    assert report.answered >= 1
    assert (report.refused, report.unanswered, report.held, report.held_lost) == (0, 0, 2, 0)


def test_a_connection_of_a_tests_own_reaches_a_pod(lab: Lab) -> None:
    with lab.node("node1").socket(family=socket.AF_INET6) as connection:
        connection.settimeout(60)
        connection.connect(("fd00:10:244:2::2", 7))
        connection.sendall(b"still there?")
        assert connection.recv(100) == b"still there?"

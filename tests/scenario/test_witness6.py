"""The witness, routers that answer for everybody, and their end, in IPv6: by Neighbour Discovery on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from ipaddress import IPv6Address

import pytest
from tests.scenario.strangers import (
    PATIENCE,
    Answering,
    events,
    in_conflict,
    nodes_that_answer,
    problems,
    said,
    samples,
    solicitations_lost,
)
from tests.scenario.test_witness import AGAIN, counted, is_told

from metalev.lab.arp import Frame
from metalev.lab.capture import Capture
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.links import wait_until
from metalev.lab.namespace import Namespace
from metalev.lab.ndp import ETHERTYPE_IPV6
from metalev.lab.topology import home_network

pytestmark = pytest.mark.timeout(900)

SILENT, WRONG, TWICE, ROUTED = (IPv6Address(f"fd00:192:168:1::{last}") for last in (201, 202, 203, 209))
FREE = [IPv6Address(f"fd00:192:168:1::{last}") for last in range(204, 209)]
TAKEN = "it is taken for a router that answers for everybody (proxy ARP)"
OVER = "is no longer taken for a router that answers for everybody (proxy ARP)"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Three nodes and a pool."""
    directory = tmp_path_factory.mktemp("witness6")
    with LabCluster(home_network(nodes=3, pods_per_node=1, ipv6=True), directory) as cluster:
        cluster.manifests.write_pool(f"{SILENT}-{TWICE}")
        cluster.start()
        yield cluster


def announced(cluster: LabCluster, address: IPv6Address) -> str:
    """Have a Service of its own ask for an address by name, so that nothing replaces it."""
    name = f"web-{str(address).rpartition(':')[2]}"
    asked = {"metallb.io/loadBalancerIPs": str(address)}
    cluster.manifests.write_service(name, families=(6,), annotations=asked)
    assert cluster.wait_for_addresses(name) == (address,)
    return name


def told_anew(tapes: list[tuple[Node, Capture]], address: IPv6Address) -> bool:
    """Whether a node was asked alone for an address, and said to everybody after that where it is."""

    def asks(frame: Frame, node: Node) -> bool:
        return bool((it := frame.ndp) and it.target == address and not it.unsolicited and frame.destination == node.mac)

    def tells(frame: Frame, node: Node) -> bool:
        return bool((it := frame.ndp) and it.unsolicited and it.target == address and frame.source == node.mac)

    def was(node: Node, frames: list[Frame]) -> bool:
        asked = [frame.at for frame in frames if asks(frame, node)]
        return any(frame.at > at for frame in frames if tells(frame, node) for at in asked[:1])

    return any(was(node, tape.frames) for node, tape in tapes)


def test_an_address_that_nobody_answers_for_is_told_and_announced_again_until_it_is_over(cluster: LabCluster) -> None:
    with ExitStack() as stack, solicitations_lost(cluster, SILENT):
        nodes = cluster.lab.nodes.values()
        tapes = [(node, stack.enter_context(node.capture(ETHERTYPE_IPV6))) for node in nodes]
        announced(cluster, SILENT)
        is_told(cluster, "NoAnswer", SILENT, "nobody on eth0 answers for it")
        again = partial(told_anew, tapes, SILENT)
        wait_until(again, "its announcer to be asked alone and to announce it again", timeout=PATIENCE)
        assert counted(cluster, "no-answer") >= 1
    wait_until(lambda: not problems(cluster, str(SILENT)), "it to be over", timeout=PATIENCE)
    assert said(cluster, f"{SILENT} {AGAIN}, by node")


def test_an_answer_of_a_stranger_is_told_with_its_mac_though_the_announcer_is_not_asked(cluster: LabCluster) -> None:
    stranger = cluster.lab.client
    with ExitStack() as stack, solicitations_lost(cluster, WRONG):
        announced(cluster, WRONG)  # before anybody can know that it is in use, or it would be given to nobody
        stack.enter_context(Answering(stranger, [WRONG]))
        # If the announcer hears the stranger and defends the address, that is to everybody, and is no answer.
        is_told(cluster, "WrongAnswer", WRONG, f"on eth0 {stranger.mac} answers for it instead")
    assert counted(cluster, "wrong-answer") >= 1


def test_an_answer_of_a_stranger_beside_the_announcers_is_told_with_its_mac_and_is_a_conflict(
    cluster: LabCluster,
) -> None:
    stranger = cluster.lab.client
    announced(cluster, TWICE)
    with Answering(stranger, [TWICE]):
        is_told(cluster, "TwoAnswers", TWICE, f"on eth0 {stranger.mac} answers for it, too")
        text = f'AddressInUse "{TWICE}" is an address in use by {stranger.mac}'
        wait_until(lambda: text in events(cluster), f"an event {text}", timeout=PATIENCE)
        assert (
            samples(cluster, rf'metalev_address_conflicts\{{ip="{re.escape(str(TWICE))}",mac="{stranger.mac}"\}}') >= 1
        )


def test_a_host_that_answers_for_many_free_addresses_is_named_and_keeps_none_from_being_given(
    cluster: LabCluster,
) -> None:
    # Another host than before: whose answers were believed of one address are not remembered for others.
    host = cluster.lab.host("router")
    before = len(said(cluster, f"{host.mac} {OVER}"))
    with Answering(host, FREE):
        cluster.manifests.write_pool(f"{SILENT}-{FREE[-1]}")  # now they are asked for, for the first time
        named = re.compile(rf"{host.mac} on eth0 answers for fd00:.*{re.escape(TAKEN)}")
        wait_until(lambda: any(map(named.search, problems(cluster, TAKEN))), "a speaker to name it", timeout=PATIENCE)
        wait_until(
            lambda: re.search(rf"^ProxyARP .*{host.mac}", events(cluster), re.MULTILINE) is not None,
            "an event ProxyARP",
            timeout=PATIENCE,
        )
        wait_until(lambda: not in_conflict(cluster, host.mac), "no address to be kept back", timeout=PATIENCE)
    wait_until(lambda: not problems(cluster, host.mac), "it to be over once it answers no more", timeout=2 * PATIENCE)
    assert len(said(cluster, f"{host.mac} {OVER}")) > before
    wait_until(lambda: "ProxyARPOver" in events(cluster), "an event that it is over", timeout=PATIENCE)


@contextmanager
def proxying(router: Namespace) -> Iterator[None]:
    """The kernel of the nodes' gateway answers for an address that it was told to proxy."""
    router.sysctl("ipv6/neigh/eth0/proxy_delay", 0)
    router.sysctl("ipv6/conf/eth0/forwarding", 1)
    router.sysctl("ipv6/conf/eth0/proxy_ndp", 1)
    router.run(["ip", "-6", "neighbour", "add", "proxy", str(ROUTED), "dev", "eth0"])
    try:
        yield
    finally:
        router.run(["ip", "-6", "neighbour", "delete", "proxy", str(ROUTED), "dev", "eth0"])
        router.sysctl("ipv6/conf/eth0/proxy_ndp", 0)


def test_the_gateway_s_kernel_that_answers_for_an_announced_address_is_named_and_the_service_keeps_it(
    cluster: LabCluster,
) -> None:
    router = cluster.lab.host("router")
    with proxying(router.namespace):
        cluster.manifests.write_pool(f"{SILENT}-{ROUTED}")
        name = announced(cluster, ROUTED)
        text = f"{router.mac} on eth0 answers for {ROUTED} and is a gateway"
        wait_until(lambda: bool(problems(cluster, text)), "a speaker to name it", timeout=PATIENCE)
        wait_until(lambda: f"TwoAnswers {ROUTED} is announced by" in events(cluster), "a warning", timeout=PATIENCE)
        assert not said(cluster, f"{ROUTED} is in use by somebody else")
        assert cluster.status(name).addresses == (ROUTED,)
        answers = partial(nodes_that_answer, cluster, cluster.lab.client, ROUTED)
        wait_until(lambda: len(answers()) == 1, f"a node to announce {ROUTED}", timeout=PATIENCE)
    wait_until(lambda: not problems(cluster, str(ROUTED)), "all of it to be over", timeout=2 * PATIENCE)
    cluster.wait_for_announcer(ROUTED)

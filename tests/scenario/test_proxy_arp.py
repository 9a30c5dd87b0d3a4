"""A router that answers for everybody (proxy ARP): it is named, keeps no address from being given, and has an end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address

import pytest
from tests.scenario.strangers import PATIENCE, Answering, events, in_conflict, nodes_that_answer, problems, said, states

from metalev.lab.cluster import LabCluster
from metalev.lab.links import wait_until
from metalev.lab.namespace import Namespace
from metalev.lab.topology import home_network

pytestmark = pytest.mark.timeout(900)

FREE = [ip_address(f"192.168.1.{last}") for last in range(200, 208)]
ROUTED = ip_address("192.168.1.209")
TAKEN = "it is taken for a router that answers for everybody (proxy ARP)"
OVER = "is no longer taken for a router that answers for everybody (proxy ARP)"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Three nodes that nobody has given anything to do yet."""
    with LabCluster(home_network(nodes=3, pods_per_node=1), tmp_path_factory.mktemp("proxy-arp")) as cluster:
        cluster.start()
        yield cluster


def test_a_host_that_answers_for_many_free_addresses_is_named_and_they_are_given_and_announced_all_the_same(
    cluster: LabCluster,
) -> None:
    client = cluster.lab.client
    with Answering(client, FREE):
        cluster.manifests.write_pool(f"{FREE[0]}-{FREE[-1]}")
        wait_until(lambda: len(problems(cluster, TAKEN)) == 3, "every speaker to name it", timeout=PATIENCE)
        assert all(client.mac in one for one in problems(cluster, TAKEN))
        wait_until(lambda: not in_conflict(cluster), "no address to be kept back because of it", timeout=PATIENCE)
        cluster.manifests.write_service("proxied")
        given = cluster.wait_for_address("proxied")
        assert given in FREE
        router = cluster.lab.host("router")
        announced = partial(nodes_that_answer, cluster, router, given)
        wait_until(lambda: len(announced()) == 1, f"a node to announce {given}", timeout=PATIENCE)
        cluster.manifests.remove("proxied")
    wait_until(lambda: not problems(cluster, TAKEN), "it to be over once it answers no more", timeout=2 * PATIENCE)
    assert len(said(cluster, f"{client.mac} {OVER}")) == 3
    wait_until(lambda: any(state["clean"] for state in states(cluster)), "the addresses to be clean", timeout=PATIENCE)


@contextmanager
def proxying(router: Namespace) -> Iterator[None]:
    """The kernel of the nodes' gateway answers for what it has a route to."""
    router.run(["ip", "link", "add", "elsewhere", "type", "bridge"])
    router.run(["ip", "link", "set", "elsewhere", "up"])
    router.run(["ip", "route", "add", f"{ROUTED}/32", "dev", "elsewhere"])
    router.run(["ip", "neighbour", "flush", "dev", "eth0"])
    router.sysctl("ipv4/neigh/eth0/proxy_delay", 0)
    router.sysctl("ipv4/conf/eth0/proxy_arp", 1)
    try:
        yield
    finally:
        router.sysctl("ipv4/conf/eth0/proxy_arp", 0)
        router.run(["ip", "link", "delete", "elsewhere"])


def test_the_gateway_s_kernel_that_answers_for_an_announced_address_is_named_and_the_service_keeps_it(
    cluster: LabCluster,
) -> None:
    router = cluster.lab.host("router")
    cluster.manifests.write_pool(f"{FREE[0]}-{ROUTED}")
    with proxying(router.namespace):
        cluster.manifests.write_service("routed", annotations={"metallb.io/loadBalancerIPs": str(ROUTED)})
        assert cluster.wait_for_address("routed") == ROUTED
        wait_until(lambda: bool(problems(cluster, TAKEN)), "a speaker to name it", timeout=PATIENCE)
        assert all(
            f"{router.mac} on eth0 answers for {ROUTED} and is a gateway" in one for one in problems(cluster, TAKEN)
        )
        wait_until(lambda: f"TwoAnswers {ROUTED} is announced by" in events(cluster), "a warning", timeout=PATIENCE)
        assert not said(cluster, f"{ROUTED} is in use by somebody else")
        assert cluster.status("routed").addresses == (ROUTED,)
        announced = partial(nodes_that_answer, cluster, cluster.lab.client, ROUTED)
        wait_until(lambda: len(announced()) == 1, f"a node to announce {ROUTED}", timeout=PATIENCE)
    wait_until(lambda: not problems(cluster, str(ROUTED)), "all of it to be over", timeout=2 * PATIENCE)
    cluster.wait_for_announcer(ROUTED)

"""The core of what a client gets, where kube-proxy works by iptables: the tests of traffic, the very same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from tests.e2e import test_families, test_traffic
from tests.e2e.cluster import wait_for
from tests.e2e.room import Room

from metalev.lab.kubernetes.cluster import KubernetesLab
from metalev.lab.kubernetes.proxy import Mode

OF_EACH_FAMILY: tuple[Callable[[Room, int], None], ...] = (
    test_traffic.test_the_pods_of_all_nodes_answer,
    test_traffic.test_under_the_policy_local_the_pod_sees_the_clients_address,
    test_traffic.test_under_the_policy_local_only_pods_of_the_announcer_answer,
    test_traffic.test_the_same_client_reaches_the_same_pod_by_session_affinity,
    test_traffic.test_a_udp_service_answers,
)


@pytest.fixture(scope="module", autouse=True)
def _by_iptables(lab: KubernetesLab) -> Iterator[None]:
    """Every node's kube-proxy works by iptables, and as before afterwards."""
    usual = lab.mode
    start_anew(lab, "iptables")
    yield
    start_anew(lab, usual)


def start_anew(lab: KubernetesLab, mode: Mode) -> None:
    """A kube-proxy removes what one of the other mode has left in the packet filter."""
    lab.mode = mode
    for node in lab.lab.nodes:
        lab.proxy(node).terminate()
        lab.start_proxy(node)


def rules(lab: KubernetesLab, node: str, family: int) -> str:
    """What a node's packet filter holds of iptables' form."""
    return lab.lab.node(node).run(["iptables-save" if family == 4 else "ip6tables-save", "-t", "nat"]).stdout


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_it_is_iptables_that_leads_to_the_address(room: Room, lab: KubernetesLab, family: int) -> None:
    address = test_traffic.serve(room, family)
    for node in lab.lab.nodes:
        wait_for(f"{node} has rules for {address}", partial(rules(lab, node, family).__contains__, f"-d {address}/"))
        assert "kube-proxy" not in lab.lab.node(node).run(["nft", "list", "tables"]).stdout, node


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("holds", OF_EACH_FAMILY, ids=lambda one: one.__name__.removeprefix("test_"))
def test_as_by_nftables(room: Room, holds: Callable[[Room, int], None], family: int) -> None:
    holds(room, family)


def test_a_service_of_both_families_answers_by_both(room: Room) -> None:
    test_families.test_both_families_are_given_from_one_pool_and_both_answer(room, test_families.REQUIRE)

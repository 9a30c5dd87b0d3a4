"""The stand-in for MetalLB elects as MetalLB does."""

from ipaddress import ip_address
from typing import Any

import pytest

from metalev.lab.kubernetes.metallb.election import KINDS, announced_here, contains, first

NODES = ("node-a", "node-b", "node-c")


def world(*serving: str, **spec: object) -> dict[str, list[dict[str, Any]]]:
    """A Service that holds 10.0.0.1, and the nodes with an endpoint of it."""
    service = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "LoadBalancer", **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}},
    }
    endpoints = {
        "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"nodeName": node, "conditions": {"ready": True}} for node in serving],
    }
    nodes = [{"metadata": {"name": node}} for node in NODES]
    pool = {"metadata": {"name": "first"}, "spec": {"addresses": ["10.0.0.1-10.0.0.9"]}}
    objects = ([service], [endpoints], nodes, [pool], [{"metadata": {"name": "all"}}])
    return dict(zip(KINDS, objects, strict=True))


def announcers(members: set[str] | None, known: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [node for node in NODES if list(announced_here(node, members, known))]


@pytest.mark.parametrize(
    ("address", "order"),
    [("10.0.0.1", "bac"), ("10.0.0.2", "bca"), ("2001:db8::1", "bac")],
)
def test_the_order_is_metallbs(address: str, order: str) -> None:
    found, left = "", set(NODES)
    while left:
        winner = first(left, ip_address(address))
        left.remove(winner)
        found += winner[-1]
    assert found == order


def test_the_first_member_announces_or_without_a_memberlist_the_first_node() -> None:
    assert announcers({"node-a", "node-c"}, world("node-a")) == ["node-a"]
    assert announcers(None, world("node-a")) == ["node-b"]


def test_nobody_announces_without_an_endpoint_and_a_local_one_is_asked_for_where_it_counts() -> None:
    assert announcers(None, world()) == []
    assert announcers(None, world("node-c", externalTrafficPolicy="Local")) == ["node-c"]


@pytest.mark.parametrize(("text", "inside"), [("10.0.0.0/29", True), ("10.0.0.5 - 10.0.0.9", True), ("::/0", False)])
def test_pools_are_networks_and_ranges(text: str, inside: bool) -> None:
    assert contains({"spec": {"addresses": [text]}}, ip_address("10.0.0.6")) == inside

"""Which pool serves which Service."""

from __future__ import annotations

import pytest
from tests.e2e.cluster import SYSTEM, wait_for
from tests.e2e.room import HOME, OTHER, Room

IPS, POOL = "metallb.io/loadBalancerIPs", "metallb.io/address-pool"


def test_a_pool_that_does_not_assign_by_itself_is_left_alone(room: Room) -> None:
    room.pool_of(name="kept", autoAssign=False)
    room.service("web")
    assert room.refused("web").startswith("no available IPs")


def test_an_address_of_a_pool_that_does_not_assign_by_itself_can_be_asked_for(room: Room) -> None:
    (address,) = room.pool_of(name="kept", autoAssign=False)
    room.service("web", annotations={IPS: address})
    assert room.address("web") == address


def test_buggy_addresses_are_avoided_on_request(room: Room) -> None:
    """Of a network that need not be this one's: addresses are given by their numbers."""
    room.pool("documentation", "198.51.100.254-198.51.101.1", avoidBuggyIPs=True)
    for name, address in (("web", "198.51.100.254"), ("api", "198.51.101.1")):
        room.service(name)
        assert room.address(name) == address
    room.service("late", annotations={IPS: "198.51.100.255"})
    assert room.refused("late") == '["198.51.100.255"] is not allowed in config'


def test_the_first_and_the_last_address_of_a_network_are_given_otherwise(room: Room) -> None:
    room.pool("documentation", "203.0.113.0/31")
    for name, address in (("web", "203.0.113.0"), ("api", "203.0.113.1")):
        room.service(name)
        assert room.address(name) == address


def test_a_lower_priority_is_tried_first(room: Room) -> None:
    room.pool_of(name="a-second", serviceAllocation={"priority": 20})
    (first,) = room.pool_of(name="b-first", serviceAllocation={"priority": 10})
    room.service("web")
    assert room.address("web") == first


def test_a_full_pool_is_followed_by_the_next_priority(room: Room) -> None:
    (second,) = room.pool_of(name="a-second", serviceAllocation={"priority": 20})
    (first,) = room.pool_of(name="b-first", serviceAllocation={"priority": 10})
    for name, address in (("web", first), ("api", second)):
        room.service(name)
        assert room.address(name) == address


@pytest.mark.parametrize(
    "allocation",
    [
        {"namespaces": [OTHER]},
        {"namespaceSelectors": [{"matchLabels": {"e2e": OTHER}}]},
        {"serviceSelectors": [{"matchLabels": {"tier": "gold"}}]},
        {"namespaces": [OTHER], "serviceSelectors": [{"matchExpressions": [{"key": "tier", "operator": "Exists"}]}]},
    ],
    ids=["namespaces", "namespaceSelectors", "serviceSelectors", "both"],
)
def test_a_pool_serves_those_whom_it_is_for_before_the_general_one(room: Room, allocation: dict[str, object]) -> None:
    room.pool_of(2, name="a-general")
    (address,) = room.pool_of(name="pinned", serviceAllocation=allocation)
    room.service("web", namespace=OTHER, labels={"tier": "gold"})
    assert room.address("web", OTHER) == address
    room.service("web")
    assert room.pool_name("web") in {"", "a-general"}
    assert room.address("web") != address


def test_a_pool_for_others_is_refused_even_by_its_name(room: Room) -> None:
    room.pool_of(name="pinned", serviceAllocation={"namespaces": [OTHER]})
    room.service("web", annotations={POOL: "pinned"})
    assert room.refused("web") == "pool pinned not compatible for ip assignment"


def test_a_namespace_and_labels_are_both_needed_where_both_are_named(room: Room) -> None:
    allocation = {"namespaces": [HOME], "serviceSelectors": [{"matchLabels": {"tier": "gold"}}]}
    (address,) = room.pool_of(name="pinned", serviceAllocation=allocation)
    room.service("web")
    assert room.refused("web").startswith("no available IPs")
    room.service("gold", labels={"tier": "gold"})
    assert room.address("gold") == address


def test_a_namespace_that_gets_the_label_lets_those_who_wait_in(room: Room) -> None:
    allocation = {"namespaceSelectors": [{"matchLabels": {"team": "blue"}}]}
    (address,) = room.pool_of(name="pinned", serviceAllocation=allocation)
    room.service("web")
    room.refused("web")
    with room.labelled("namespace", HOME, "team=blue"):
        room.wait_for_address("web", address)


def test_a_namespace_that_loses_the_label_takes_nothing_away(room: Room) -> None:
    allocation = {"namespaceSelectors": [{"matchLabels": {"team": "blue"}}]}
    first, _ = room.pool_of(2, name="pinned", serviceAllocation=allocation)
    with room.labelled("namespace", HOME, "team=blue"):
        room.service("web")
        room.address("web")
    room.service("late")
    room.refused("late")
    assert room.held("web") == [first]


def test_an_overlap_is_named_and_both_pools_go_on(room: Room) -> None:
    one, two = room.pool_of(2, name="a-pool")
    three, *_ = room.take()
    room.pool("b-pool", two, three)
    wanted = f'CIDR "{two}/32" in pool "b-pool" overlaps with already defined CIDR "{two}/32"'
    wait_for("it is named", lambda: wanted in room.configuration().get("errorSummary", ""))
    for name in ("web", "api", "mail"):
        room.service(name)
    assert {room.address(name) for name in ("web", "api", "mail")} == {one, two, three}


def test_a_pool_in_another_namespace_is_no_pool(room: Room) -> None:
    (address,) = room.take()
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "astray", "namespace": HOME},
        "spec": {"addresses": [f"{address}/32"]},
    }
    room.cluster.apply(pool)
    room.service("web")
    try:
        assert room.told("web", "NoPools").type == "Warning"
    finally:
        room.cluster.kubectl("delete", "ipaddresspool", "astray", "-n", HOME)


def test_an_address_of_a_node_inside_a_pool_is_skipped(room: Room) -> None:
    addresses = room.cluster.items("/api/v1/nodes")[0]["status"]["addresses"]
    node = next(one["address"] for one in addresses if one["type"] == "InternalIP")
    (free,) = room.take()
    room.pool("first-pool", node, free)
    room.service("web")
    assert room.address("web") == free
    path = f"/api/v1/namespaces/{SYSTEM}/events?fieldSelector=involvedObject.name%3Dfirst-pool"
    wait_for("it is named", lambda: "AddressesSkipped" in {one["reason"] for one in room.cluster.items(path)})

"""What an L2Advertisement says of pools, nodes, interfaces and Services."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.cluster import SYSTEM, wait_for
from tests.e2e.room import Room

INTERFACE = os.environ.get("METALEV_E2E_INTERFACE", "eth0")
"""By which the nodes are on the client's network."""


def host(name: str) -> dict[str, Any]:
    """A selector of one node."""
    return {"matchLabels": {"kubernetes.io/hostname": name}}


def preferred(**weights: int) -> list[dict[str, Any]]:
    return [{"weight": weight, "preference": host(node)} for node, weight in weights.items()]


@pytest.fixture
def nodes(room: Room) -> list[str]:
    return room.cluster.nodes


@pytest.fixture
def address(room: Room) -> Iterator[str]:
    """That of the Service ``web``, which nobody advertises as yet; its pool has a label."""
    (address,) = room.pool_of(labels={"zone": "east"})
    room.service("web", labels={"tier": "gold"})
    yield room.address("web")
    assert room.held("web") in ([address], [])


# ===== pools =====


def test_a_pool_that_is_named_is_announced(room: Room, address: str) -> None:
    room.advertise(ipAddressPools=["first-pool"])
    room.announcer(address)


def test_a_pool_that_is_chosen_by_its_labels_is_announced(room: Room, address: str) -> None:
    room.advertise(ipAddressPoolSelectors=[{"matchLabels": {"zone": "east"}}])
    room.announcer(address)


def test_a_pool_that_is_neither_named_nor_chosen_is_not_announced(room: Room, address: str) -> None:
    room.advertise(ipAddressPools=["second-pool"], ipAddressPoolSelectors=[{"matchLabels": {"zone": "west"}}])
    assert "noMatchingAdvertisement" in room.told("web", "NotAnnounced").message
    assert room.cluster.announcers(address) == []


def test_an_advertisement_that_is_deleted_silences_the_address(room: Room, address: str) -> None:
    room.advertise()
    room.announcer(address)
    room.cluster.kubectl("delete", "l2advertisement", "example", "-n", SYSTEM)
    room.wait_for_silence(address)


# ===== nodes =====


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_chosen_node_announces(room: Room, address: str, nodes: list[str], number: int) -> None:
    room.advertise(nodeSelectors=[host(nodes[number])])
    room.wait_for_announcer(address, nodes[number])


def test_another_chosen_node_takes_over(room: Room, address: str, nodes: list[str]) -> None:
    room.advertise(nodeSelectors=[host(nodes[0])])
    room.wait_for_announcer(address, nodes[0])
    room.advertise(nodeSelectors=[host(nodes[1])])
    room.wait_for_announcer(address, nodes[1])


def test_node_selectors_are_alternatives(room: Room, address: str, nodes: list[str]) -> None:
    room.advertise(nodeSelectors=[host("no-such-node"), host(nodes[2])])
    room.wait_for_announcer(address, nodes[2])


def test_a_node_that_gets_the_label_announces(room: Room, address: str, nodes: list[str]) -> None:
    room.advertise(nodeSelectors=[{"matchLabels": {"e2e": "announcer"}}])
    room.told("web", "NotAnnounced")
    with room.labelled("node", nodes[1], "e2e=announcer"):
        room.wait_for_announcer(address, nodes[1])
    room.wait_for_silence(address)


# ===== interfaces =====


def test_the_status_names_the_interface_that_is_named(room: Room, address: str) -> None:
    room.advertise(interfaces=[INTERFACE])
    room.announcer(address)
    wait_for("it is named", lambda: [one.get("interfaces") for one in room.l2_status("web")] == [[{"name": INTERFACE}]])


def test_an_interface_that_no_node_has_is_told_and_nobody_answers(room: Room, address: str, nodes: list[str]) -> None:
    room.advertise(nodeSelectors=[host(nodes[0])], interfaces=["dummy7"])
    told = room.told("web", "announceFailed")
    assert told.message == (
        f'the interfaces specified by LB IP "{address}" doesn\'t exist in assigned node "{nodes[0]}" '
        'with protocol "layer2"'
    )
    assert (told.type, told.by, room.cluster.announcers(address)) == ("Warning", "metallb-speaker", [])


def test_an_interface_that_is_named_in_time_makes_the_address_answer(room: Room, address: str) -> None:
    room.advertise(interfaces=["dummy7"])
    room.told("web", "announceFailed")
    room.advertise(interfaces=["dummy7", INTERFACE])
    room.announcer(address)


def test_the_interfaces_of_two_advertisements_are_united(room: Room, address: str) -> None:
    room.advertise("one", interfaces=["dummy7"])
    room.advertise("two", interfaces=[INTERFACE])
    room.announcer(address)


def test_interfaces_are_those_of_the_advertisement_for_the_node(room: Room, address: str, nodes: list[str]) -> None:
    room.advertise("one", interfaces=["dummy7"], nodeSelectors=[host(node) for node in nodes[:2]])
    room.advertise("two", interfaces=[INTERFACE], nodeSelectors=[host(nodes[2])])
    room.wait_for_announcer(address, nodes[2])


# ===== Services =====


def test_a_service_that_is_chosen_by_its_labels_is_announced(room: Room, address: str) -> None:
    room.advertise(serviceSelectors=[{"matchLabels": {"tier": "silver"}}, {"matchLabels": {"tier": "gold"}}])
    room.announcer(address)


def test_a_service_that_is_not_chosen_is_not_announced(room: Room, address: str) -> None:
    room.advertise(serviceSelectors=[{"matchLabels": {"tier": "silver"}}])
    assert "noMatchingAdvertisement" in room.told("web", "NotAnnounced").message
    assert room.cluster.announcers(address) == []


def test_pool_and_service_have_to_be_chosen_by_one_advertisement(room: Room, address: str) -> None:
    room.advertise("one", ipAddressPools=["second"], serviceSelectors=[{"matchLabels": {"tier": "gold"}}])
    room.advertise("two", ipAddressPools=["first-pool"], serviceSelectors=[{"matchLabels": {"tier": "silver"}}])
    assert "noMatchingAdvertisement" in room.told("web", "NotAnnounced").message
    assert room.cluster.announcers(address) == []


def test_two_advertisements_for_one_service_have_one_announcer(room: Room, address: str, nodes: list[str]) -> None:
    gold = [{"matchLabels": {"tier": "gold"}}]
    room.advertise("one", serviceSelectors=gold, nodeSelectors=[host(nodes[0])])
    room.advertise("two", serviceSelectors=gold, nodeSelectors=[host(nodes[1])])
    assert room.announcer(address) in nodes[:2]


def test_a_service_that_may_be_shared_is_not_announced_for_some_services_only(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise(serviceSelectors=[{"matchLabels": {"tier": "gold"}}])
    room.service("web", labels={"tier": "gold"}, annotations={"metallb.io/allow-shared-ip": "key"})
    assert "sharedIPWithServiceSelector" in room.told("web", "NotAnnounced").message
    assert room.cluster.announcers(address) == []


# ===== preferences =====


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_preferred_node_announces(room: Room, nodes: list[str], number: int) -> None:
    (address,) = room.pool_of()
    room.advertise(preferredNodeSelectors=preferred(**{nodes[number]: 100}))
    room.service("web")
    room.wait_for_announcer(address, nodes[number])


def test_weights_of_two_advertisements_add_up(room: Room, nodes: list[str]) -> None:
    (address,) = room.pool_of()
    room.advertise("one", preferredNodeSelectors=preferred(**{nodes[0]: 60, nodes[1]: 40}))
    room.advertise("two", preferredNodeSelectors=preferred(**{nodes[1]: 40}))
    room.service("web")
    room.wait_for_announcer(address, nodes[1])


def test_a_preference_is_no_filter(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise(preferredNodeSelectors=preferred(**{"no-such-node": 100}))
    room.service("web")
    room.announcer(address)


def test_a_preference_lets_nobody_in_who_is_not_chosen(room: Room, nodes: list[str]) -> None:
    (address,) = room.pool_of()
    room.advertise(nodeSelectors=[host(nodes[1])], preferredNodeSelectors=preferred(**{nodes[0]: 100}))
    room.service("web")
    room.wait_for_announcer(address, nodes[1])


def test_when_the_preferred_node_cannot_another_does(room: Room, nodes: list[str]) -> None:
    (address,) = room.pool_of()
    room.advertise(preferredNodeSelectors=preferred(**{nodes[0]: 100}))
    room.service("web")
    room.wait_for_announcer(address, nodes[0])
    with room.labelled("node", nodes[0], "node.kubernetes.io/exclude-from-external-load-balancers=true"):
        room.announcer(address, other_than=nodes[0])

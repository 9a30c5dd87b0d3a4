"""Which node announces an address, and what it says of that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.e2e.cluster import SYSTEM, wait_for
from tests.e2e.room import HOME, METALLB, Room

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers=true"


@pytest.fixture
def address(room: Room) -> str:
    """That of the Service ``web``, which may be announced."""
    (address,) = room.pool_of()
    room.advertise()
    room.service("web")
    return address


def test_one_node_answers_and_its_event_and_status_name_it(room: Room, address: str) -> None:
    node = room.announcer(address)
    room.wait_for_status("web", node)
    event = room.told("web", "nodeAssigned")
    message = f'announcing from node "{node}" with protocol "layer2"'
    assert event == ("Normal", "nodeAssigned", message, "metallb-speaker", 1)


def test_a_new_service_that_is_well_is_told_its_address_and_its_node_and_nothing_else(room: Room) -> None:
    """Its endpoints come a moment after it: that is no reason to say that it has none."""
    room.pool_of(6)
    room.advertise()
    names = [f"web{number}" for number in range(6)]
    for name in names:
        room.service(name)
    for name in names:
        room.told(name, "nodeAssigned")
        room.told(name, "IPAllocated")
        assert {one.reason for one in room.events(name)} == {"IPAllocated", "nodeAssigned"}


def test_the_status_names_the_service_and_goes_with_the_speakers_pod(room: Room, address: str) -> None:
    wait_for("it is there", lambda: room.l2_status("web")[:1] not in ([], [{}]))
    (found,) = room.cluster.items(f"{METALLB}/servicel2statuses")
    status, metadata = found["status"], found["metadata"]
    assert (status["serviceName"], status["serviceNamespace"], status.get("interfaces", [])) == ("web", HOME, [])
    labels = {f"metallb.io/{key}" for key in ("node", "service-name", "service-namespace")}
    assert (labels <= metadata["labels"].keys(), metadata["name"].startswith("l2-")) == (True, True)
    assert metadata["ownerReferences"][0]["kind"] == "Pod"


def test_a_status_that_somebody_deletes_comes_back(room: Room, address: str) -> None:
    node = room.announcer(address)
    room.wait_for_status("web", node)
    room.cluster.kubectl("delete", "servicel2statuses", "--all", "-n", SYSTEM)
    room.wait_for_status("web", node)


def test_kubectl_shows_the_columns_of_a_service_l2_status(room: Room, address: str) -> None:
    wait_for("it is there", lambda: room.l2_status("web")[:1] not in ([], [{}]))
    header, row = room.cluster.kubectl("get", "servicel2statuses", "-n", SYSTEM).splitlines()
    assert "ALLOCATED NODE" in header
    assert row.split()[1:4] == [room.announcer(address), "web", HOME]


def test_the_status_goes_and_the_address_falls_silent_when_the_service_is_deleted(room: Room, address: str) -> None:
    room.announcer(address)
    room.delete("web")
    room.wait_for_silence(address)
    wait_for("no status is left", lambda: room.l2_status("web") == [])


def test_a_change_of_the_service_moves_nothing_and_is_not_told_again(room: Room, address: str) -> None:
    node = room.announcer(address)
    room.told("web", "nodeAssigned")
    room.annotate("web", "note=changed")
    room.service("later", selector={"app": "one"})
    room.annotate("web", "note=again")
    assert room.announcer(address) == node
    assert [one.times for one in room.events("web") if one.reason == "nodeAssigned"] == [1]


def test_the_exclude_label_moves_the_address_and_its_removal_lets_it_return(room: Room, address: str) -> None:
    """It need not return by itself: that would break connections. It returns when the other one is excluded."""
    first = room.announcer(address)
    with room.labelled("node", first, EXCLUDE):
        second = room.announcer(address, other_than=first)
        room.wait_for_status("web", second)
    others = [node for node in room.cluster.nodes if node != first]
    with room.labelled("node", others[0], EXCLUDE), room.labelled("node", others[1], EXCLUDE):
        room.wait_for_announcer(address, first)


def test_a_second_node_is_told_when_it_takes_over(room: Room, address: str) -> None:
    first = room.announcer(address)
    with room.labelled("node", first, EXCLUDE):
        second = room.announcer(address, other_than=first)
        message = f'announcing from node "{second}" with protocol "layer2"'
        wait_for("it is told", lambda: message in [one.message for one in room.events("web")])


@contextmanager
def network_unavailable(room: Room, node: str) -> Iterator[None]:
    """A node's condition NetworkUnavailable is True for a while."""
    yes = [{"type": "NetworkUnavailable", "status": "True", "reason": "Test", "message": "for a test"}]
    no = [{"type": "NetworkUnavailable", "status": "False", "reason": "Test", "message": "for a test"}]
    patch = ("patch", "node", node, "--subresource=status", "-p")
    room.cluster.kubectl(*patch, json.dumps({"status": {"conditions": yes}}))
    try:
        yield
    finally:
        room.cluster.kubectl(*patch, json.dumps({"status": {"conditions": no}}))


def test_a_node_whose_network_is_unavailable_gives_the_address_up(room: Room, address: str) -> None:
    first = room.announcer(address)
    with network_unavailable(room, first):
        room.announcer(address, other_than=first)
    room.announcer(address)


def test_the_address_moves_when_the_speakers_pod_is_deleted(room: Room, address: str) -> None:
    first = room.announcer(address)
    field = f"--field-selector=spec.nodeName={first}"
    room.cluster.kubectl("delete", "pods", "-n", SYSTEM, "-l", "component=speaker", field, "--wait=false")
    room.announcer(address, other_than=first)
    room.cluster.kubectl("rollout", "status", "daemonset/speaker", "-n", SYSTEM, "--timeout=120s")
    wait_for(
        "no status of the former one is left",
        lambda: [one.get("node") for one in room.l2_status("web")] == room.cluster.announcers(address),
    )


def test_without_a_ready_endpoint_nobody_announces(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise()
    room.service("web", selector={"app": "nobody"})
    assert room.address("web") == address
    told = room.told("web", "NotAnnounced")
    assert told.message.startswith(f'no node may announce ["{address}"]: noEndpoints')
    assert room.cluster.announcers(address) == []


def test_an_address_falls_silent_with_its_last_endpoint_and_comes_back(room: Room, address: str) -> None:
    room.announcer(address)
    room.change("web", '{"spec": {"selector": {"app": "nobody"}}}')
    room.wait_for_silence(address)
    room.change("web", '{"spec": {"selector": {"app": "web"}}}')
    room.announcer(address)


def test_without_an_advertisement_nobody_announces_and_the_service_is_told(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    told = room.told("web", "NotAnnounced")
    assert (told.type, "noMatchingAdvertisement" in told.message) == ("Warning", True)
    conditions = {one["type"]: one["status"] for one in room.seen("web")["status"]["conditions"]}
    assert conditions == {"metalev.io/Announceable": "False"}
    room.advertise()
    room.announcer(address)


def test_a_bgp_advertisement_alone_announces_nothing_in_layer_2(room: Room) -> None:
    (address,) = room.pool_of()
    bgp = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "BGPAdvertisement",
        "metadata": {"name": "bgp", "namespace": SYSTEM},
    }
    room.cluster.apply({**bgp, "spec": {}})
    room.service("web")
    assert "noMatchingAdvertisement" in room.told("web", "NotAnnounced").message
    assert room.cluster.announcers(address) == []


def test_a_service_of_another_class_is_not_announced_though_it_has_an_address(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise()
    room.service("web", loadBalancerClass="example.com/other")
    status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
    room.cluster.kubectl("patch", "service", "web", "-n", HOME, "--subresource=status", "--type=merge", "-p", status)
    room.service("later", selector={"app": "nobody"})
    wait_for("that one is looked at", lambda: room.events("later"))
    assert (room.l2_status("web"), room.cluster.announcers(address)) == ([], [])

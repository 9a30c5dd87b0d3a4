"""``metalev status`` and ``metalev why``, run as a person runs them against a cluster."""

from __future__ import annotations

import json

import pytest
from tests.e2e.cluster import Object, wait_for, words
from tests.e2e.room import HOME, Room


def why(room: Room, name: str = "web") -> tuple[int, str]:
    """Exit status, and what is said, in one line."""
    status, said = room.cluster.metalev("why", name, "-n", HOME)
    return status, words(said)


def wait_for_why(room: Room, said: str, status: int = 1) -> None:
    """Until ``metalev why`` says that; the speakers' states are written a moment after the fact."""
    wait_for(f"why says {said!r}", lambda: why(room)[0] == status and said in why(room)[1])


def overview(room: Room) -> Object:
    """What ``metalev status`` has for programs."""
    _, said = room.cluster.metalev("status", "-n", HOME, "-o", "json")
    return dict(json.loads(said))


@pytest.fixture
def address(room: Room) -> str:
    """That of the Service ``web``, which is announced."""
    (address,) = room.pool_of()
    room.advertise()
    room.service("web")
    room.announcer(address)
    return address


def test_why_says_that_all_is_well_and_who_answers(room: Room, address: str) -> None:
    wait_for_why(room, f"all is well: {room.announcer(address)} answers for {address}", status=0)


def test_status_shows_the_service_its_address_pool_and_node(room: Room, address: str) -> None:
    wait_for_why(room, "all is well", status=0)
    wait_for("nothing is wrong", lambda: room.cluster.metalev("status", "-n", HOME)[0] == 0)  # of tests before
    status, said = room.cluster.metalev("status", "-n", HOME)
    rows = [line.split() for line in said.splitlines()]
    assert (status, [f"{HOME}/web", address, "first-pool", room.announcer(address)] in rows) == (0, True)
    assert ["first-pool", "1", "of", "1,", "none", "free", "-", "example"] in rows


def test_status_shows_every_node_with_its_speaker(room: Room, address: str) -> None:
    wait_for_why(room, "all is well", status=0)
    wanted = dict.fromkeys(room.cluster.nodes, ("runs", len(room.cluster.nodes) - 1))

    def found() -> dict[str, tuple[str, int]]:
        return {one["name"]: (one["speaker"], one["hears"]) for one in overview(room)["nodes"]}

    wait_for("every speaker runs and hears all others", lambda: found() == wanted)


def test_without_an_advertisement_both_say_so(room: Room) -> None:
    room.pool_of()
    room.service("web")
    room.told("web", "NotAnnounced")
    status, said = why(room)
    assert (status, "NO advertised" in said, "L2Advertisement" in said) == (1, True, True)
    status, said = room.cluster.metalev("status", "-n", HOME)
    assert (status, "1 of 1 Services without traffic" in said, "nobody" in said) == (1, True, True)


def test_without_an_endpoint_why_says_so(room: Room) -> None:
    room.pool_of()
    room.advertise()
    room.service("web", selector={"app": "nobody"})
    room.told("web", "NotAnnounced")
    status, said = why(room)
    assert (status, f"{HOME}/web has no endpoints, so its address would lead nowhere" in said) == (1, True)
    assert "run pods with the labels app=nobody" in said


def test_of_an_exhausted_pool_both_say_which_and_what_to_do(room: Room, address: str) -> None:
    room.service("late")
    room.refused("late")
    status, said = why(room, "late")
    assert (status, 'no available IPs (pool "first-pool"' in said, "make a pool larger" in said) == (1, True, True)
    assert overview(room)["pools"][0]["usage"] == [{"family": "IPv4", "total": 1, "inUse": 1, "free": 0}]


def test_without_a_pool_why_says_so(room: Room) -> None:
    room.service("web")
    room.told("web", "NoPools")
    status, said = why(room)
    assert (status, "no IPAddressPool is defined" in said) == (1, True)


def test_an_unmet_wish_is_explained(room: Room) -> None:
    room.pool_of()
    room.service("web", annotations={"metallb.io/address-pool": "nowhere"})
    room.refused("web")
    assert 'unknown pool "nowhere"' in why(room)[1]


def test_a_service_of_another_class_is_said_to_be_somebody_elses(room: Room) -> None:
    room.pool_of()
    room.service("web", loadBalancerClass="example.com/other")
    status, said = why(room)
    assert (status, "NO class" in said, "example.com/other" in said) == (1, True, True)


def test_a_service_of_another_type_is_said_to_be_none_of_ours(room: Room) -> None:
    room.pool_of()
    room.service("web", type="ClusterIP")
    status, said = why(room)
    assert (status, "NO type" in said) == (1, True)


def test_no_such_service_is_said(room: Room) -> None:
    status, said = why(room, "nobody")
    assert (status, "NO exists" in said, f"{HOME}/nobody" in said) == (1, True, True)


def test_a_name_that_cannot_be_one_is_a_mistake_of_usage(room: Room) -> None:
    status, said = room.cluster.metalev("why", "a/b/c")
    assert (status, "write NAME or NAMESPACE/NAME" in said) == (2, True)


def test_nodes_that_are_excluded_are_named_with_the_reason(room: Room) -> None:
    room.pool_of()
    room.advertise(nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "no-such-node"}}])
    room.service("web")
    room.told("web", "NotAnnounced")
    assert "noMatchingAdvertisement" in why(room)[1]


def test_a_mistake_in_the_configuration_is_a_problem(room: Room, address: str) -> None:
    room.pool("overlapping", address)
    wait_for("it is named", lambda: any("overlaps" in one for one in overview(room)["problems"]))
    assert room.cluster.metalev("status", "-n", HOME)[0] == 1


def test_a_program_can_read_why(room: Room, address: str) -> None:
    wait_for_why(room, "all is well", status=0)
    _, said = room.cluster.metalev("why", "web", "-n", HOME, "-o", "json")
    chain = json.loads(said)
    assert (chain["service"], chain["healthy"], chain["addresses"]) == (f"{HOME}/web", True, [address])
    assert chain["announcers"] == [room.announcer(address)]


def test_a_service_that_is_being_deleted_is_said_to_wait_for_its_finalizers(room: Room, address: str) -> None:
    room.change("web", '{"metadata": {"finalizers": ["example.com/cleanup"]}}')
    room.cluster.kubectl("delete", "service", "web", "-n", HOME, "--wait=false")
    try:
        wait_for_why(room, f"waits for the finalizers example.com/cleanup; until then it keeps {address}", status=0)
        assert room.announcer(address)
    finally:
        room.change("web", '{"metadata": {"finalizers": null}}')
    room.wait_for_silence(address)

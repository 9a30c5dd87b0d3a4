"""A host beside the nodes has an address of the pool: what metalev does about it, and where it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import TypeVar

import pytest
from tests.e2e.cluster import SYSTEM, Object, wait_for
from tests.e2e.room import HOME, Room, Told

from metalev.lab import arp
from metalev.lab.kubernetes.cluster import KubernetesLab

T = TypeVar("T")

WISH = "metallb.io/loadBalancerIPs"
ASSIGNED, REPLACED = "metalev.io/AddressAssigned", "metalev.io/AddressReplaced"


class Stranger:
    """The machine outside, as one that has addresses which it should not have."""

    def __init__(self, lab: KubernetesLab) -> None:
        self._host = lab.client
        self.mac = lab.client.mac

    @contextmanager
    def having(self, address: str) -> Iterator[None]:
        """Its kernel answers for an address for a while."""
        length = 128 if ":" in address else 32
        own = [f"{address}/{length}", "dev", "eth0"]
        self._host.run(["ip", "address", "add", *own, "nodad"])
        try:
            yield
        finally:
            self._host.run(["ip", "address", "delete", *own])

    def claims(self, address: str, until: str, condition: Callable[[], T | None]) -> T:
        """Say to everybody that it has an address, again and again until ``condition`` is true; what that is then."""
        own = IPv4Address(address)

        def look() -> T | None:
            self._host.send(arp.reply(self.mac, own, arp.BROADCAST, own))
            return condition()

        return wait_for(until, look)


@pytest.fixture
def stranger(lab: KubernetesLab) -> Stranger:
    return Stranger(lab)


def conflicts(room: Room, address: str) -> dict[str, Object]:
    """What the SpeakerStates say of who else has an address, by the node that says so."""
    states = room.cluster.items("/apis/metalev.io/v1alpha1/speakerstates")
    found = {state["metadata"]["name"]: state.get("status", {}).get("conflicts", []) for state in states}
    return {node: one for node, all_ in found.items() for one in all_ if one["address"] == address}


def metric(room: Room, node: str, sample: str) -> str:
    """The value of a sample of a node's speaker, as its page of metrics has it; nothing if it has none."""
    addresses = room.cluster.read(f"/api/v1/nodes/{node}")["status"]["addresses"]
    internal = next(one["address"] for one in addresses if one["type"] == "InternalIP" and ":" not in one["address"])
    page = room.cluster.curl(internal, "/metrics", 7472) or ""
    return next((line.rpartition(" ")[2] for line in page.splitlines() if line.startswith(f"{sample} ")), "")


def skipped(room: Room, pool: str, address: str) -> Told | None:
    """The event of a pool that tells of an address which is not handed out."""
    path = f"/api/v1/namespaces/{SYSTEM}/events?fieldSelector=involvedObject.name%3D{pool}"
    for one in room.cluster.items(path):
        if one["reason"] == "AddressesSkipped" and f"{address} (" in one["message"]:
            return Told(one["type"], one["reason"], one["message"], one["source"]["component"])
    return None


def condition(room: Room, name: str, kind: str) -> Object:
    """A condition of a Service, empty if it has none of that type."""
    found = room.seen(name).get("status", {}).get("conditions", [])
    return next((dict(one) for one in found if one["type"] == kind), {})


@pytest.mark.parametrize("family", [4, 6])
def test_an_address_that_a_host_has_is_named_everywhere_and_given_to_nobody(
    room: Room, stranger: Stranger, family: int
) -> None:
    foreign, free = room.take(2) if family == 4 else room.take(0, ipv6=2)
    pool = f"with-a-stranger-{family}"
    with stranger.having(foreign):
        room.pool(pool, foreign, free)
        found = wait_for(f"a speaker says who has {foreign}", lambda: conflicts(room, foreign))
        node, conflict = next(iter(found.items()))
        assert (conflict["mac"], conflict["interface"], conflict["cause"]) == (stranger.mac, "eth0", "probe")
        told = wait_for("the pool's event tells of it", lambda: skipped(room, pool, foreign))
        assert (told.type, told.by) == ("Warning", "metallb-controller")
        assert f'{foreign} (in use by {stranger.mac} (seen on eth0 by node "{node}"))' in told.message
        is_measured(room, node, foreign, stranger)
        room.service("web", ipFamilies=[f"IPv{family}"])
        assert room.address("web") == free


def test_who_was_given_it_a_moment_ago_is_given_another_once_and_the_next_is_only_reported(
    room: Room, stranger: Stranger
) -> None:
    room.pool_of(3)
    room.advertise()
    room.service("web")
    first = room.address("web")
    room.announcer(first)

    def another() -> str | None:
        return next((one for one in room.held("web") if one != first), None)

    second = stranger.claims(first, f"another address than {first}", another)
    message = condition(room, "web", REPLACED)["message"]
    assert message.startswith(f'"{first}" is an address in use by {stranger.mac} (seen on eth0 by node "')
    assert message.endswith(f': assigned "{second}" instead')
    told = room.told("web", "AddressReplaced")
    assert (told.type, told.message, told.by) == ("Warning", message, "metallb-controller")
    is_reported_and_kept(room, stranger, second)


def test_an_address_asked_for_by_name_is_reported_and_kept(room: Room, stranger: Stranger) -> None:
    wanted, _ = room.pool_of(2)
    room.advertise()
    room.service("web", annotations={WISH: wanted})
    assert room.address("web") == wanted
    is_reported_and_kept(room, stranger, wanted)
    assert condition(room, "web", REPLACED) == {}


def test_an_address_that_was_announced_before_the_speakers_started_is_reported_and_kept(
    room: Room, stranger: Stranger
) -> None:
    room.pool_of(2)
    room.advertise()
    room.service("web")
    address = room.address("web")
    room.announcer(address)
    room.cluster.kubectl("rollout", "restart", "daemonset/speaker", "-n", SYSTEM)
    room.cluster.kubectl("rollout", "status", "daemonset/speaker", "-n", SYSTEM, "--timeout=120s")
    is_reported_and_kept(room, stranger, address)
    assert {one["cause"] for one in conflicts(room, address).values()} == {"held-before"}
    assert condition(room, "web", REPLACED) == {}


def is_measured(room: Room, node: str, address: str, stranger: Stranger) -> None:
    """Hold the metric of a node to have the conflict."""
    sample = f'metalev_address_conflicts{{ip="{address}",mac="{stranger.mac}"}}'
    assert wait_for(f"{node} shows {sample}", lambda: metric(room, node, sample)) == "1.0"


def is_reported_and_kept(room: Room, stranger: Stranger, address: str) -> None:
    """Hold a claim to the announced address of ``web`` to be told of in every place, and to change nothing."""
    node = room.announcer(address)
    text = f'"{address}" is an address in use by {stranger.mac} (seen on eth0 by node "'

    def warned() -> Told | None:
        found = (one for one in room.events("web") if one.reason == "AddressInUse" and one.message.startswith(text))
        return next(found, None)

    told = stranger.claims(address, f"a warning about {address}", warned)
    assert (told.type, told.by) == ("Warning", "metallb-controller")
    shown = condition(room, "web", ASSIGNED)
    assert (shown["status"], shown["reason"], text in shown["message"]) == ("True", "AddressInUse", True)
    assert {one["mac"] for one in conflicts(room, address).values()} == {stranger.mac}
    claims = f'metalev_layer2_foreign_claims_total{{ip="{address}"}}'
    stranger.claims(address, f"{node} counts the claims", lambda: float(metric(room, node, claims) or 0) > 0)
    is_measured(room, node, address, stranger)
    status, why = room.cluster.metalev("why", f"{HOME}/web")
    assert stranger.mac in why, (status, why)
    assert room.held("web") == [address]

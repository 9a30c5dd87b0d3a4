"""ConfigurationState: what controller and speakers make of the configuration."""

from __future__ import annotations

import re
from functools import partial

import pytest
from tests.e2e.cluster import SYSTEM, wait_for
from tests.e2e.room import HOME, METALLB, Room

SAME_POOL_TWICE = "198.51.100.0/30"
CONFIG = "address-pools: [{{name: default, protocol: {protocol}, addresses: [198.51.100.0/30]}}]"


def writers(room: Room) -> list[str]:
    """The names that the objects have to have."""
    return ["controller", *(f"speaker-{node}" for node in room.cluster.nodes)]


def wait_for_result(room: Room, name: str, result: str) -> None:
    wait_for(f"{name} is {result}", lambda: room.configuration(name).get("result") == result)


def conditions(room: Room, name: str) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    return {one["type"]: (one["status"], one["reason"]) for one in room.configuration(name)["conditions"]}


def names_it(room: Room, name: str, mistake: str) -> bool:
    """Whether a summary has these words; it may have told of another mistake before."""
    return mistake in room.configuration(name).get("errorSummary", "")


def spoil(room: Room) -> None:
    """Two pools with the same addresses."""
    for name in ("a-pool", "b-pool"):
        room.pool(name, SAME_POOL_TWICE)


def test_all_is_valid_for_the_controller_and_every_speaker(room: Room) -> None:
    room.pool_of()
    room.advertise()
    for name in writers(room):
        wait_for_result(room, name, "Valid")
        assert set(conditions(room, name)) == {"configReconcilerValid", "poolReconcilerValid"}
        assert set(conditions(room, name).values()) == {("True", "Reconciled")}


def test_the_objects_have_metallbs_labels(room: Room) -> None:
    wait_for_result(room, "controller", "Valid")
    labels = {
        one["metadata"]["name"]: one["metadata"]["labels"]
        for one in room.cluster.items(f"{METALLB}/configurationstates")
    }
    assert labels["controller"]["metallb.io/component-type"] == "controller"
    for node in room.cluster.nodes:
        assert labels[f"speaker-{node}"]["metallb.io/component-type"] == "speaker"
        assert labels[f"speaker-{node}"]["metallb.io/node-name"] == node


def test_what_a_speaker_says_of_itself_goes_with_its_node(room: Room) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases"
    for node in room.cluster.items("/api/v1/nodes"):
        name, uid = node["metadata"]["name"], node["metadata"]["uid"]
        paths = (f"{METALLB}/configurationstates/speaker-{name}", f"{leases}/speaker-{name}")
        for path in (*paths, f"/apis/metalev.io/v1alpha1/speakerstates/{name}"):
            wait_for(f"{path} is owned by its Node", lambda: owners(room, path) == [("Node", uid)])  # noqa: B023


def owners(room: Room, path: str) -> list[tuple[str, str]]:
    """Kind and uid of what an object goes with."""
    metadata = room.cluster.read(path).get("metadata", {})
    return [(one["kind"], one["uid"]) for one in metadata.get("ownerReferences", ())]


def test_pools_that_overlap_are_invalid_with_the_reason_and_valid_again_when_they_do_not(room: Room) -> None:
    spoil(room)
    wait_for_result(room, "controller", "Invalid")
    wanted = f'CIDR "{SAME_POOL_TWICE}" in pool "b-pool" overlaps with already defined CIDR "{SAME_POOL_TWICE}"'
    wait_for("it is named", lambda: wanted in room.configuration().get("errorSummary", ""))
    assert conditions(room, "controller")["poolReconcilerValid"] == ("False", "ConfigurationError")
    room.pool("b-pool", *room.take())
    wait_for_result(room, "controller", "Valid")
    assert not room.configuration().get("errorSummary")


def test_a_second_mistake_is_named_beside_the_first(room: Room) -> None:
    spoil(room)
    wait_for_result(room, "controller", "Invalid")
    room.pool("c-pool", SAME_POOL_TWICE)
    wait_for("both are named", lambda: len(room.configuration().get("errorSummary", "").splitlines()) == 2)


def test_a_mistake_takes_no_address_away(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise()
    room.service("web")
    room.announcer(address)
    room.pool("overlapping", address)
    wait_for_result(room, "controller", "Invalid")
    assert (room.held("web"), bool(room.announcer(address))) == ([address], True)


@pytest.mark.parametrize("whose", ["controller", "speaker"])
def test_an_object_that_is_deleted_comes_back(room: Room, whose: str) -> None:
    name = next(one for one in writers(room) if one.startswith(whose))
    wait_for_result(room, name, "Valid")
    room.cluster.kubectl("delete", "configurationstate", name, "-n", SYSTEM)
    wait_for_result(room, name, "Valid")


def test_a_result_that_somebody_edits_is_written_again(room: Room) -> None:
    wait_for_result(room, "controller", "Valid")
    command = ("patch", "configurationstate", "controller", "-n", SYSTEM, "--subresource=status", "--type=merge")
    room.cluster.kubectl(*command, "-p", '{"status": {"result": "Unknown"}}')
    wait_for_result(room, "controller", "Valid")


def test_a_mistake_that_concerns_everybody_is_named_by_controller_and_every_speaker(room: Room) -> None:
    """In MetalLB's old ConfigMap, that all of them read while there is no pool."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "config", "namespace": SYSTEM},
        "data": {"config": CONFIG.format(protocol="layer3")},
    }
    room.cluster.apply(config)
    for name in writers(room):
        wait_for(f"{name} names it", partial(names_it, room, name, "layer3"))
        assert conditions(room, name)["configReconcilerValid"] == ("False", "ConfigurationError")
    room.cluster.apply({**config, "data": {"config": CONFIG.format(protocol="layer2")}})
    for name in writers(room):
        wait_for_result(room, name, "Valid")


# ===== what the API server refuses at once, as MetalLB's webhooks did =====


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["192.0.2.0/33"], 'invalid CIDR "192.0.2.0/33"'),
        (["192.0.2.9-192.0.2.1"], 'start IP "192.0.2.9" is after the end IP "192.0.2.1"'),
        ([], "pool has no prefixes defined"),
    ],
)
def test_a_pool_that_cannot_be_is_refused_in_metallbs_words(room: Room, addresses: list[str], words: str) -> None:
    metadata = {"name": "wrong", "namespace": SYSTEM}
    pool = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata}
    with pytest.raises(AssertionError, match=re.escape(words)):
        room.cluster.apply({**pool, "spec": {"addresses": addresses}})


def test_a_weight_beyond_a_hundred_is_refused_by_the_api_server(room: Room) -> None:
    with pytest.raises(AssertionError, match="weight"):
        room.advertise(preferredNodeSelectors=[{"weight": 101, "preference": {"matchLabels": {"a": "b"}}}])


def test_kubectl_shows_the_result(room: Room) -> None:
    wait_for_result(room, "controller", "Valid")
    assert "Valid" in room.cluster.kubectl("get", "configurationstates", "-n", SYSTEM)
    assert room.cluster.kubectl("get", "configurationstates", "-n", HOME, "--ignore-not-found") == ""

"""The contract of the port ``Cluster``, kept by every adapter and by the fake."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.contract.harness import FakeHarness, FilesHarness, Harness, Manifest, Program, service_key
from tests.contract.kubernetes import KubernetesHarness, contract_plane

from metalev.decide.legacy import InForce
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.model.actions import Event, EventType, Holding, SpeakerState
from metalev.model.errors import StaleWrite, Unavailable
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool, PoolStatus, Resting
from metalev.model.services import Condition, ConditionStatus, Service, ServiceStatus
from metalev.model.snapshot import Deleted, Listed, PoolStatusSeen, Snapshot, Synced, Upserted

WEB = service_key("web")
POOL = ObjectKey(Kind.POOL, Name("metallb-system", "first"))
V6 = ip_address("2001:db8::10")
ASSIGNED = ServiceStatus(
    addresses=(ip_address("192.0.2.10"), ip_address("2001:db8::10")),
    pool="first",
    conditions=(
        Condition("metalev.io/AddressAssigned", ConditionStatus.TRUE, "Assigned", 'Assigned IP ["192.0.2.10"]'),
    ),
)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with contract_plane(tmp_path_factory.mktemp("contract")) as plane:
        yield plane


@pytest.fixture(params=["files", "fake", "kubernetes"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    yield from harness_of(request.param, request, tmp_path)


@pytest.fixture(params=["files", "fake"])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """Where anything may be written down: an API server refuses what is no Service before anybody reads it."""
    yield from harness_of(request.param, request, tmp_path)


def harness_of(name: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Harness]:
    made: Harness
    match name:
        case "files":
            made = FilesHarness(folder)
        case "fake":
            made = FakeHarness()
        case _:
            made = KubernetesHarness(request.getfixturevalue("plane"))
    yield made
    made.close()


def service(name: str = "web", port: int = 80, **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "LoadBalancer", "ports": [{"port": port}], **spec},
    }


def pool(*addresses: str) -> Manifest:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "first"},
        "spec": {"addresses": list(addresses or ("192.0.2.0/24",))},
    }


def web(program: Program) -> Service:
    return program.seen.get(Service, WEB)


def port_of(program: Program) -> int:
    return web(program).ports[0].port


# --- Listing ---


def test_every_kind_is_listed_once_and_then_synced(harness: Harness) -> None:
    harness.put(service())
    changes = harness.connect().seen.changes
    assert sorted(change.kind for change in changes if isinstance(change, Listed)) == sorted(Kind)
    assert changes[-1] == Synced()


def test_objects_come_before_the_list_of_their_kind(harness: Harness) -> None:
    harness.put(service())
    changes = harness.connect(watch=False).seen.changes
    upserted = next(index for index, change in enumerate(changes) if isinstance(change, Upserted))
    assert upserted < changes.index(Listed(Kind.SERVICE, frozenset({WEB.name})))


def test_an_empty_cluster_is_synced_as_well(harness: Harness) -> None:
    seen = harness.connect().seen
    assert {key.kind for key in seen.objects} <= {Kind.NAMESPACE}  # a new Kubernetes has some
    assert seen.changes[-1] == Synced()


def test_missed_delete_is_made_up_for_by_a_relist(harness: Harness) -> None:
    harness.put(service())
    program = harness.connect(watch=False)
    harness.remove(Kind.SERVICE, "web")
    assert WEB in program.seen.objects
    program.cluster.relist()
    assert WEB not in program.seen.objects
    assert Listed(Kind.SERVICE, frozenset()) in program.seen.changes


def test_missed_change_is_made_up_for_by_a_relist(harness: Harness) -> None:
    harness.put(service(port=80))
    program = harness.connect(watch=False)
    harness.put(service(port=81))
    program.cluster.relist()
    assert port_of(program) == 81


# --- Watching ---


def test_new_object_is_delivered(harness: Harness) -> None:
    seen = harness.connect().seen
    harness.put(service())
    seen.until(lambda: WEB in seen.objects)


def test_removed_object_is_delivered_as_deleted(harness: Harness) -> None:
    harness.put(service())
    seen = harness.connect().seen
    harness.remove(Kind.SERVICE, "web")
    seen.until(lambda: WEB not in seen.objects)
    assert Deleted(WEB) in seen.changes


def test_changes_of_one_object_arrive_in_their_order(harness: Harness) -> None:
    program = harness.connect()
    for port in range(1, 60):
        harness.put(service(port=port))
    program.seen.until(lambda: WEB in program.seen.objects and port_of(program) == 59)
    ports = [obj.ports[0].port for obj in program.seen.versions_of(WEB) if isinstance(obj, Service)]
    assert ports == sorted(ports)


def test_equal_objects_have_equal_versions_and_changed_ones_do_not(harness: Harness) -> None:
    harness.put(service(port=80))
    first, second = harness.connect(watch=False), harness.connect(watch=False)
    assert web(first) == web(second)
    harness.put(service(port=81))
    first.cluster.relist()
    assert web(first).version != web(second).version


def test_nothing_is_delivered_after_stop(harness: Harness) -> None:
    stopped, other = harness.connect(), harness.connect()
    stopped.cluster.stop()
    stopped.cluster.stop()
    harness.put(service())
    other.seen.until(lambda: WEB in other.seen.objects)
    stopped.cluster.relist()
    assert stopped.seen.changes[-1] == Synced()


# --- Writing ---


def test_write_is_delivered_before_it_returns(harness: Harness) -> None:
    harness.put(service())
    program = harness.connect()
    program.cluster.write_service_status(web(program), ASSIGNED)
    assert web(program).status == ASSIGNED


def test_no_older_version_is_delivered_after_a_write(harness: Harness) -> None:
    harness.put(service(port=80))
    program = harness.connect()
    program.cluster.write_service_status(web(program), ASSIGNED)
    written = len(program.seen.changes)
    harness.put(service(port=81))
    program.seen.until(lambda: port_of(program) == 81)
    later = [change.obj for change in program.seen.changes[written:] if isinstance(change, Upserted)]
    assert all(isinstance(obj, Service) and obj.status == ASSIGNED for obj in later)


def test_a_service_that_is_no_load_balancer_any_more_can_be_cleared(harness: Harness) -> None:
    harness.put(service())
    program = harness.connect()
    program.cluster.write_service_status(web(program), ASSIGNED)
    harness.put(service(type="ClusterIP"))
    program.seen.until(lambda: WEB in program.seen.objects and not web(program).wants_address)
    program.cluster.write_service_status(web(program), ServiceStatus())
    program.cluster.relist()
    left = program.seen.objects.get(WEB)
    assert left is None or (isinstance(left, Service) and left.status == ServiceStatus())


def test_stale_write_is_refused(harness: Harness) -> None:
    harness.put(service(port=80))
    program = harness.connect(watch=False)
    read = web(program)
    harness.put(service(port=81))
    with pytest.raises(StaleWrite, match="web"):
        program.cluster.write_service_status(read, ASSIGNED)
    program.cluster.relist()
    assert web(program).status == ServiceStatus()


def test_write_to_a_removed_service_is_refused(harness: Harness) -> None:
    harness.put(service())
    program = harness.connect(watch=False)
    harness.remove(Kind.SERVICE, "web")
    with pytest.raises(StaleWrite, match="web"):
        program.cluster.write_service_status(web(program), ASSIGNED)


def test_second_of_two_writers_is_refused(harness: Harness) -> None:
    harness.put(service())
    first, second = harness.connect(watch=False), harness.connect(watch=False)
    read = web(second)
    first.cluster.write_service_status(web(first), ASSIGNED)
    with pytest.raises(StaleWrite, match="web"):
        second.cluster.write_service_status(read, ServiceStatus())
    second.cluster.relist()
    assert web(second).status == ASSIGNED


def test_writing_twice_from_one_reading_is_refused(harness: Harness) -> None:
    harness.put(service())
    program = harness.connect()
    read = web(program)
    program.cluster.write_service_status(read, ASSIGNED)
    with pytest.raises(StaleWrite, match="web"):
        program.cluster.write_service_status(read, ServiceStatus())


def test_address_can_be_taken_back(harness: Harness) -> None:
    harness.put(service())
    program = harness.connect()
    program.cluster.write_service_status(web(program), ASSIGNED)
    program.cluster.write_service_status(web(program), ServiceStatus())
    assert web(program).status == ServiceStatus()


def test_speaker_does_not_write_a_service_status(harness: Harness) -> None:
    harness.put(service())
    program = harness.connect("node1")
    with pytest.raises(StaleWrite, match="node1"):
        program.cluster.write_service_status(web(program), ASSIGNED)


def test_status_survives_an_edit_of_the_spec(harness: Harness) -> None:
    harness.put(service(port=80))
    program = harness.connect()
    program.cluster.write_service_status(web(program), ASSIGNED)
    harness.put(service(port=81))
    program.seen.until(lambda: port_of(program) == 81)
    assert web(program).status == ASSIGNED


def test_restart_sees_what_was_written(harness: Harness) -> None:
    harness.put(service())
    before = harness.connect()
    before.cluster.write_service_status(web(before), ASSIGNED)
    before.cluster.stop()
    after = harness.connect()
    assert web(after) == web(before)


def test_everybody_sees_what_was_written(harness: Harness) -> None:
    harness.put(service())
    controller, speaker = harness.connect(), harness.connect("node1")
    controller.cluster.write_service_status(web(controller), ASSIGNED)
    speaker.seen.until(lambda: web(speaker).status == ASSIGNED)


def test_nothing_is_written_after_stop(harness: Harness) -> None:
    harness.put(service())
    program = harness.connect()
    program.cluster.stop()
    with pytest.raises(Unavailable):
        program.cluster.write_service_status(web(program), ASSIGNED)


def test_pool_status_is_refused_for_a_pool_that_changed(harness: Harness) -> None:
    harness.put(pool("192.0.2.0/24"))
    program = harness.connect(watch=False)
    read = program.seen.get(Pool, POOL)
    program.cluster.write_pool_status(read, PoolStatus(assigned_ipv4=1, available_ipv4=255))
    harness.put(pool("192.0.2.0/25"))
    with pytest.raises(StaleWrite, match="first"):
        program.cluster.write_pool_status(read, PoolStatus())


RESTING = PoolStatus(
    1,
    2,
    3,
    2**63 - 1,
    (Resting(ip_address("192.0.2.9"), WEB.name, 1_800_000_000), Resting(V6, WEB.name, 1_800_000_001)),
)


def test_pool_status_is_delivered_before_the_write_returns(harness: Harness) -> None:
    harness.put(pool())
    program = harness.connect()
    program.cluster.write_pool_status(program.seen.get(Pool, POOL), RESTING)
    assert program.seen.pool_statuses == {POOL.name: RESTING}


def test_pool_status_is_there_after_a_restart_before_anything_is_decided(harness: Harness) -> None:
    harness.put(pool())
    before = harness.connect()
    before.cluster.write_pool_status(before.seen.get(Pool, POOL), RESTING)
    before.cluster.stop()
    changes = harness.connect().seen.changes
    assert changes.index(PoolStatusSeen(POOL.name, RESTING)) < changes.index(Synced())


def test_pool_status_changes_nothing_about_the_pool(harness: Harness) -> None:
    harness.put(pool())
    program = harness.connect()
    read = program.seen.get(Pool, POOL)
    program.cluster.write_pool_status(read, RESTING)
    program.cluster.write_pool_status(read, PoolStatus())
    assert program.seen.versions_of(POOL) == [read]
    assert program.seen.pool_statuses == {POOL.name: PoolStatus()}


def test_pool_status_in_which_nothing_rests_goes_with_its_pool(harness: Harness) -> None:
    harness.put(pool())
    program = harness.connect()
    program.cluster.write_pool_status(program.seen.get(Pool, POOL), PoolStatus(assigned_ipv4=1, available_ipv4=255))
    harness.remove(Kind.POOL, "first")
    program.seen.until(lambda: not program.seen.pool_statuses)


def test_speakers_are_not_told_of_the_status_of_pools(harness: Harness) -> None:
    harness.put(pool())
    controller, speaker = harness.connect(), harness.connect("node1")
    controller.cluster.write_pool_status(controller.seen.get(Pool, POOL), RESTING)
    harness.put(service())
    speaker.seen.until(lambda: WEB in speaker.seen.objects)
    assert not speaker.seen.pool_statuses


def test_speaker_state_is_seen_by_everybody(harness: Harness) -> None:
    controller, speaker = harness.connect(), harness.connect("node1")
    held = Holding("192.0.2.10", ("192.0.2.10",), ("default/web",), 3, "missed-beacons")
    state = SpeakerState(
        Name("", "node1"),
        holdings=(held,),
        peers_heard=("node2",),
        problems=("no carrier",),
        local_addresses=("192.0.2.2",),
        gateways=("192.0.2.1",),
    )
    speaker.cluster.write_speaker_state(state)
    key = ObjectKey(Kind.SPEAKER_STATE, state.name)
    assert speaker.seen.get(SpeakerState, key).holdings == (held,)
    controller.seen.until(lambda: controller.seen.objects.get(key) == speaker.seen.get(SpeakerState, key))


def test_speaker_does_not_write_the_state_of_another(harness: Harness) -> None:
    program = harness.connect("node1")
    with pytest.raises(StaleWrite, match="node2"):
        program.cluster.write_speaker_state(SpeakerState(Name("", "node2")))


def test_equal_events_are_counted(harness: Harness) -> None:
    program = harness.connect()
    for message in ("no available IPs", "no available IPs", "unknown pool"):
        program.cluster.record_event(Event(WEB, EventType.WARNING, "AllocationFailed", message, "metallb-controller"))
    program.cluster.record_event(Event(WEB, EventType.NORMAL, "IPAllocated", "Assigned", "metallb-controller"))
    assert harness.event_counts() == {"AllocationFailed": 3, "IPAllocated": 1}


# --- Bad input ---


def test_document_cut_in_the_middle_leaves_its_object_and_all_others(documents: Harness) -> None:
    documents.put(service("web"))
    documents.put(service("other"))
    seen = documents.connect().seen
    documents.cut(Kind.SERVICE, "web")
    seen.until(lambda: bool(seen.problems))
    assert {WEB, service_key("other")} <= seen.objects.keys()
    assert not any(isinstance(change, Deleted) for change in seen.changes)


def test_mended_document_withdraws_the_complaint(documents: Harness) -> None:
    documents.put(service(port=80))
    program = documents.connect()
    documents.cut(Kind.SERVICE, "web")
    program.seen.until(lambda: bool(program.seen.problems))
    documents.put(service(port=81))
    program.seen.until(lambda: not program.seen.problems and port_of(program) == 81)


def test_unknown_fields_do_not_reach_the_model(harness: Harness) -> None:
    harness.put(service("plain"))
    harness.put(service("web", futureField={"a": 1}, allocateLoadBalancerNodePorts=False))
    objects = harness.connect(watch=False).seen
    plain, extended = objects.get(Service, service_key("plain")), objects.get(Service, WEB)
    assert (plain.ports, plain.families, plain.annotations) == (extended.ports, extended.families, extended.annotations)
    assert "futureField" not in repr(extended)


def test_unknown_kind_is_named_and_nothing_else_is_lost(documents: Harness) -> None:
    documents.put({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "g"}})
    documents.put(service())
    seen = documents.connect().seen
    assert WEB in seen.objects
    assert [message for message in seen.problems.values() if 'kind "Gizmo" (apiVersion example.com/v1)' in message]


def test_unknown_kind_is_no_problem_of_the_configuration(documents: Harness) -> None:
    documents.put({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "g"}})
    assert not documents.connect().seen.serious


def test_wrong_type_is_rejected_by_the_path_of_its_field(documents: Harness) -> None:
    documents.put(service(ports=[{"port": "http"}]))
    seen = documents.connect().seen
    assert not seen.objects
    assert [message for message in seen.problems.values() if "spec.ports[0].port: expected a whole number" in message]


def test_wrong_value_keeps_the_last_good_version(harness: Harness) -> None:
    harness.put(pool("192.0.2.0/24"))
    seen = harness.connect().seen
    good = seen.get(Pool, POOL)
    harness.put(pool("192.0.2.0/24", "192.0.2.9-192.0.2.1"))
    seen.until(lambda: bool(seen.problems))
    assert seen.get(Pool, POOL) == good
    assert "spec.addresses[1]: " in "".join(seen.problems.values())


# --- MetalLB's old ConfigMap ---

CONFIG = ObjectKey(Kind.CONFIG_MAP, Name("metallb-system", "config"))


def config_map(*pools: str) -> Manifest:
    text = "".join(f"- {{name: {one}, protocol: layer2, addresses: [192.0.2.0/24]}}\n" for one in pools)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "config", "namespace": "metallb-system"},
        "data": {"config": f"address-pools:\n{text}"},
    }


def in_force(program: Program) -> dict[str, Pool]:
    config = program.seen.get(LegacyConfig, CONFIG)
    snapshot = InForce().of(Snapshot(legacy_configs={config.name: config}))
    return {name.name: found for name, found in snapshot.pools.items()}


def test_old_config_map_gives_pools_until_it_is_removed(harness: Harness) -> None:
    harness.put(config_map("first"))
    program = harness.connect()
    assert list(in_force(program)) == ["first"]
    harness.put(config_map("second"))
    program.seen.until(lambda: list(in_force(program)) == ["second"])
    harness.remove(Kind.CONFIG_MAP, "config")
    program.seen.until(lambda: CONFIG not in program.seen.objects)


def test_old_config_map_that_is_cut_stays_as_it_was(documents: Harness) -> None:
    documents.put(config_map("first"))
    program = documents.connect()
    documents.cut(Kind.CONFIG_MAP, "config")
    program.seen.until(lambda: bool(program.seen.serious))
    assert list(in_force(program)) == ["first"]


def test_pool_of_the_old_config_map_has_a_status_like_any_other(harness: Harness) -> None:
    harness.put(config_map("first"))
    program = harness.connect()
    program.cluster.write_pool_status(in_force(program)["first"], PoolStatus(assigned_ipv4=1))


def test_status_of_a_pool_is_stale_once_the_old_config_map_has_changed(harness: Harness) -> None:
    harness.put(config_map("first"))
    program = harness.connect()
    before = in_force(program)["first"]
    harness.put(config_map("first", "second"))
    with pytest.raises(StaleWrite):
        program.cluster.write_pool_status(before, PoolStatus())


def test_pool_whose_last_change_cannot_be_used_still_has_its_counts_written(harness: Harness) -> None:
    harness.put(pool("192.0.2.0/24"))
    seen = (program := harness.connect()).seen
    harness.put(pool("192.0.2.0/24", "192.0.2.9-192.0.2.1"))
    seen.until(lambda: bool(seen.problems))
    program.cluster.write_pool_status(seen.get(Pool, POOL), PoolStatus(assigned_ipv4=1))
    seen.until(lambda: seen.pool_statuses.get(POOL.name) == PoolStatus(assigned_ipv4=1))


def test_pool_of_an_old_config_map_that_is_wrong_now_still_has_its_counts_written(harness: Harness) -> None:
    harness.put(config_map("first"))
    program = harness.connect()
    before = in_force(program)["first"]
    broken = config_map("first")
    broken["data"]["config"] = broken["data"]["config"].replace("layer2", "layer3")
    harness.put(broken)
    program.seen.until(lambda: bool(program.seen.problems))
    assert in_force(program)["first"] == before
    program.cluster.write_pool_status(before, PoolStatus(assigned_ipv4=1))


def test_what_a_service_holds_is_known_also_to_who_starts_when_nobody_can_read_the_service(documents: Harness) -> None:
    documents.put(service("web"))
    first = documents.connect()
    first.cluster.write_service_status(first.seen.get(Service, WEB), ASSIGNED)
    first.cluster.stop()
    documents.cut(Kind.SERVICE, "web")
    second = documents.connect()
    assert web(second).status == ASSIGNED
    documents.put(service("web", port=81))
    second.seen.until(lambda: [one.port for one in web(second).ports] == [81])
    assert web(second).status == ASSIGNED

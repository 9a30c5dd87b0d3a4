"""The contract of the port ``Cluster``: what is written, and by whom it is seen."""

from __future__ import annotations

from ipaddress import ip_address
from typing import cast

import pytest
from tests.contract.harness import Harness
from tests.contract.kubernetes import KubernetesHarness
from tests.contract.objects import ASSIGNED, POOL, V6, WEB, pool, port_of, service, web

from metalev.adapters.kubernetes import KubernetesCluster
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.model.actions import Conflict, Event, EventType, Holding, Patience, SpeakerState
from metalev.model.errors import StaleWrite, Unavailable
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool, PoolStatus, Resting
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import PoolStatusSeen, Synced, Upserted

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
        conflicts=(Conflict("192.0.2.7", "02:00:00:00:09:09", "eth0", "probe", 1_767_355_200),),
        clean=("192.0.2.8",),
        patience=(Patience("node2", 0.75, "late-beacons"),),
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


def test_on_an_api_server_a_speaker_knows_its_node_and_says_nothing_more_once_that_is_gone(
    plane: ControlPlane,
) -> None:
    harness = KubernetesHarness(plane)
    program = harness.connect("node1")
    cluster = cast("KubernetesCluster", program.cluster)
    assert cluster.own_node() is None
    harness.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}})
    node = ObjectKey(Kind.NODE, Name("", "node1"))
    program.seen.until(lambda: node in program.seen.objects)
    (uid,) = {one["uid"] for one in [cluster.own_node()] if one}
    assert uid == plane.kubectl("get", "node", "node1", "-o", "jsonpath={.metadata.uid}")
    harness.remove(Kind.NODE, "node1")
    program.seen.until(lambda: node not in program.seen.objects)
    with pytest.raises(Unavailable, match="the Node node1 is gone"):
        cluster.own_node()
    with pytest.raises(Unavailable, match="the Node node1 is gone"):
        cluster.write_speaker_state(SpeakerState(Name("", "node1")))
    harness.close()

"""The contract of the port ``Cluster``, kept by every adapter and by the fake: what is listed and watched."""

from __future__ import annotations

from tests.contract.harness import Harness
from tests.contract.kubernetes import KubernetesHarness
from tests.contract.objects import WEB, endpoint_slice, port_of, service, web

from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.services import Service
from metalev.model.snapshot import Deleted, Listed, Synced, Upserted

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


def test_an_endpoint_slice_that_is_no_services_is_not_read_from_an_api_server(plane: ControlPlane) -> None:
    harness = KubernetesHarness(plane)
    harness.put(endpoint_slice("anothers", {"multicluster.kubernetes.io/service-name": "web"}))
    harness.put(endpoint_slice("ours", {"kubernetes.io/service-name": "web"}))
    seen = harness.connect(watch=False).seen
    harness.close()
    ours = ObjectKey(Kind.ENDPOINT_SLICE, Name("default", "ours"))
    assert ours in seen.objects
    assert [key for key in seen.objects if key.name.name == "anothers"] == []
    assert seen.problems == {}


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

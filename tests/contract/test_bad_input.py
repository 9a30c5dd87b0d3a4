"""The contract of the port ``Cluster``: what cannot be used, and what MetalLB's old ConfigMap gives."""

from __future__ import annotations

import pytest
from tests.contract.harness import Harness, Manifest, Program, service_key
from tests.contract.objects import ASSIGNED, POOL, WEB, pool, port_of, service, web

from metalev.decide.legacy import InForce
from metalev.model.errors import StaleWrite
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service
from metalev.model.snapshot import Deleted, Snapshot

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

"""What metalev writes beside the manifests, and who may remove it."""

from __future__ import annotations

import shutil
from ipaddress import ip_address

import pytest
import yaml
from tests.contract.harness import FixedClock
from tests.unit.adapters.folder import POOL, WEB, Folder, service, web

from metalev.adapters.codec import encode
from metalev.model.actions import Event, EventType, SpeakerState
from metalev.model.errors import StaleWrite, Unavailable
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool, PoolStatus, Resting
from metalev.model.services import Condition, ConditionStatus, ServiceStatus

POOL_KEY = ObjectKey(Kind.POOL, Name("metallb-system", "first"))
ASSIGNED = ServiceStatus(
    (ip_address("192.0.2.10"),),
    "first",
    (Condition("metalev.io/AddressAssigned", ConditionStatus.TRUE, "Assigned", "Assigned IP"),),
)

NOW = int(FixedClock().wall().timestamp())


def resting_until(until: int) -> PoolStatus:
    return PoolStatus(0, 0, 256, 0, (Resting(ip_address("192.0.2.10"), WEB.name, until),))


def test_status_file_looks_like_the_object(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    assert folder.written("controller/services/default/web.yaml") == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "namespace": "default",
            "name": "web",
            "annotations": {"metallb.io/ip-allocated-from-pool": "first"},
        },
        "status": {
            "loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]},
            "conditions": [
                {
                    "type": "metalev.io/AddressAssigned",
                    "status": "True",
                    "reason": "Assigned",
                    "message": "Assigned IP",
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                }
            ],
        },
    }


def test_manifests_own_status_counts_until_there_is_a_written_one(folder: Folder) -> None:
    folder.write("web.yaml", service() + "status: {loadBalancer: {ingress: [{ip: 192.0.2.77}]}}\n")
    cluster, seen = folder.open()
    assert web(seen).status.addresses == (ip_address("192.0.2.77"),)
    cluster.write_service_status(web(seen), ServiceStatus())
    assert web(seen).status == ServiceStatus()


def test_status_that_only_stands_in_the_manifest_is_written_as_well(folder: Folder) -> None:
    folder.write("web.yaml", service() + "status: {loadBalancer: {ingress: [{ip: 192.0.2.77}]}}\n")
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), web(seen).status)
    assert folder.written("controller/services/default/web.yaml")["status"]["loadBalancer"]["ingress"]


def test_equal_status_is_not_written_again(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    inode = (folder.path / ".metalev/controller/services/default/web.yaml").stat().st_ino
    cluster.write_service_status(web(seen), ASSIGNED)
    assert (folder.path / ".metalev/controller/services/default/web.yaml").stat().st_ino == inode


def test_status_file_edited_by_somebody_else_makes_the_write_stale(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    read = web(seen)
    path = folder.path / ".metalev/controller/services/default/web.yaml"
    path.write_text(path.read_text().replace("192.0.2.10", "192.0.2.11"))
    with pytest.raises(StaleWrite, match="has changed since it was read"):
        cluster.write_service_status(read, ServiceStatus())
    assert web(seen).status.addresses == (ip_address("192.0.2.11"),)


def test_unreadable_status_file_is_named_and_mended_by_the_next_write(folder: Folder) -> None:
    folder.write("web.yaml", service())
    folder.write(".metalev/controller/services/default/web.yaml", "status: [")
    cluster, seen = folder.open()
    assert ".metalev/controller/services/default/web.yaml" in seen.problems
    assert web(seen).status == ServiceStatus()
    cluster.write_service_status(web(seen), ServiceStatus())
    assert not seen.problems
    assert folder.written("controller/services/default/web.yaml")["kind"] == "Service"


def test_status_file_that_somebody_spoils_is_written_anew(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    folder.write(".metalev/controller/services/default/web.yaml", "status: [")
    cluster.relist()
    assert not seen.problems
    assert web(seen).status.addresses == ASSIGNED.addresses
    status = folder.written("controller/services/default/web.yaml")["status"]
    assert status["loadBalancer"]["ingress"] == [{"ip": str(address)} for address in ASSIGNED.addresses]


def test_status_file_in_the_wrong_place_is_not_believed(folder: Folder) -> None:
    folder.write("web.yaml", service())
    text = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n"
    )
    folder.write(".metalev/controller/services/default/web.yaml", text)
    _, seen = folder.open()
    assert web(seen).status == ServiceStatus()
    assert "is about default/other" in "".join(seen.problems.values())


def test_what_it_wrote_itself_is_not_read_as_yaml_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    read: list[str] = []
    monkeypatch.setattr("metalev.adapters.files.documents.load_yaml", read.append)
    cluster.write_service_status(web(seen), ASSIGNED)
    cluster.relist()
    assert (web(seen).status, read) == (ASSIGNED, [])


def test_gone_services_status_and_gone_pools_status_are_removed(folder: Folder) -> None:
    folder.write("all.yaml", service() + "---\n" + POOL)
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    cluster.write_pool_status(seen.get(Pool, POOL_KEY), PoolStatus(1, 0, 255, 0))
    assert folder.written("controller/pools/first.yaml")["status"]["assignedIPv4"] == 1
    (folder.path / "all.yaml").unlink()
    cluster.relist()
    assert not list((folder.path / ".metalev").rglob("*.yaml"))


def test_what_was_written_of_a_gone_pool_stays_while_an_address_of_it_rests(folder: Folder) -> None:
    folder.write("all.yaml", POOL)
    cluster, seen = folder.open()
    cluster.write_pool_status(seen.get(Pool, POOL_KEY), resting_until(NOW + 60))
    cluster.stop()
    folder.write("all.yaml", POOL.replace("first", "renamed"))
    cluster, seen = folder.open()
    assert seen.pool_statuses == {POOL_KEY.name: resting_until(NOW + 60)}
    over = encode.pool_status(POOL_KEY.name, resting_until(NOW))
    folder.write(".metalev/controller/pools/first.yaml", yaml.dump(over))
    cluster.relist()
    assert not (folder.path / ".metalev/controller/pools/first.yaml").exists()


def test_only_the_controller_removes_what_it_wrote(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    (folder.path / "web.yaml").unlink()
    folder.open("node1")[0].relist()
    assert (folder.path / ".metalev/controller/services/default/web.yaml").exists()


def test_service_hidden_by_a_cut_document_keeps_its_address_over_a_restart(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    cluster.stop()
    folder.write("web.yaml", service()[:30] + '"')
    cluster, seen = folder.open()
    assert (web(seen).hidden, web(seen).wants_address, web(seen).status) == (True, False, ASSIGNED)
    folder.write("web.yaml", service())
    cluster.relist()
    assert (web(seen).hidden, web(seen).wants_address, web(seen).status) == (False, True, ASSIGNED)


def test_hidden_service_is_gone_when_its_file_is_removed(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    cluster.stop()
    folder.write("web.yaml", service()[:30] + '"')
    cluster, seen = folder.open()
    (folder.path / "web.yaml").unlink()
    cluster.relist()
    assert WEB not in seen.objects
    assert not list((folder.path / ".metalev/controller/services").glob("*/*.yaml"))


def test_service_that_is_seen_to_go_is_gone_beside_a_file_that_is_broken(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    folder.write("other.yaml", service("other")[:30] + '"')
    (folder.path / "web.yaml").unlink()
    cluster.relist()
    assert WEB not in seen.objects


def test_deleted_state_folder_is_made_again(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    shutil.rmtree(folder.path / ".metalev")
    cluster.relist()
    assert web(seen).status == ServiceStatus()
    cluster.write_service_status(web(seen), ASSIGNED)
    assert web(seen).status == ASSIGNED


def test_nothing_half_written_is_left(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open()
    (folder.path / ".metalev/controller/services").mkdir()
    (folder.path / ".metalev/controller/services/default").write_text("in the way")
    with pytest.raises(Unavailable, match=r"cannot write .*services/default/web.yaml: "):
        cluster.write_service_status(web(seen), ASSIGNED)
    assert [path.name for path in (folder.path / ".metalev").rglob("*") if path.is_file()] == ["default"]


def test_events_of_one_writer_are_bounded(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metalev.adapters.files.events.EventLog.__init__.__defaults__", (3,))
    cluster, _ = folder.open("node1")
    for reason in ("a", "b", "c", "a", "d"):
        cluster.record_event(Event(WEB, EventType.NORMAL, reason, "m", "metallb-speaker"))
    files = (folder.path / ".metalev/node1/events").glob("*.yaml")
    assert sorted(yaml.safe_load(file.read_text())["reason"] for file in files) == ["a", "c", "d"]


def test_event_count_goes_on_after_a_restart(folder: Folder) -> None:
    event = Event(WEB, EventType.WARNING, "AllocationFailed", "no available IPs", "metallb-controller")
    for _ in range(2):
        cluster, _ = folder.open()
        cluster.record_event(event)
        cluster.stop()
    (file,) = (folder.path / ".metalev/controller/events").glob("*.yaml")
    assert yaml.safe_load(file.read_text())["count"] == 2


def test_reader_writes_nothing(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open("")
    with pytest.raises(StaleWrite, match="this is a reader"):
        cluster.write_service_status(web(seen), ASSIGNED)
    with pytest.raises(StaleWrite, match="this is a reader"):
        cluster.record_event(Event(WEB, EventType.NORMAL, "r", "m", "c"))
    with pytest.raises(StaleWrite, match="this is a reader"):
        cluster.write_speaker_state(SpeakerState(Name("", "node1")))

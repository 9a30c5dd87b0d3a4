"""The directory as a cluster: what is special to files, beside the contract that every cluster keeps."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract.harness import FixedClock, Recorder, service_key

from metalev.adapters.files import FilesCluster
from metalev.model.actions import Event, EventType, SpeakerState
from metalev.model.errors import StaleWrite, StartError, Unavailable
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Condition, ConditionStatus, Service, ServiceStatus

WEB = service_key("web")
POOL_KEY = ObjectKey(Kind.POOL, Name("metallb-system", "first"))
ASSIGNED = ServiceStatus(
    (ip_address("192.0.2.10"),),
    "first",
    (Condition("metalev.io/AddressAssigned", ConditionStatus.TRUE, "Assigned", "Assigned IP"),),
)
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  type: LoadBalancer
  ports:
  - port: {port}
"""
POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: first}
spec: {addresses: [192.0.2.0/24]}
"""


def service(name: str = "web", port: object = 80) -> str:
    return SERVICE.format(name=name, port=port)


class Folder:
    """A folder of manifests and the clusters that were opened on it, which look only when told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: list[FilesCluster] = []

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def open(self, writer: str = "controller", **options: Any) -> tuple[FilesCluster, Recorder]:
        cluster, seen = FilesCluster(self.path, FixedClock(), writer=writer, **{"watch": False, **options}), Recorder()
        self._opened.append(cluster)
        cluster.start(seen)
        return cluster, seen

    def written(self, path: str) -> Any:
        return yaml.safe_load((self.path / ".metalev" / path).read_text())

    def close(self) -> None:
        for cluster in self._opened:
            cluster.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.close()


def web(seen: Recorder) -> Service:
    return seen.get(Service, WEB)


# --- Which files are read ---


def test_yaml_and_json_are_read_in_every_folder(folder: Folder) -> None:
    folder.write("a.yaml", service("a"))
    folder.write("deep/er/b.yml", service("b"))
    folder.write("c.json", '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c"}}')
    _, seen = folder.open()
    assert sorted(key.name.name for key in seen.objects) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "name", [".web.yaml", ".git/web.yaml", "web.yaml~", ".#web.yaml", "web.yaml.swp", "#web.yaml#"]
)
def test_hidden_files_and_what_editors_leave_are_not_read(folder: Folder, name: str) -> None:
    folder.write(name, service())
    _, seen = folder.open()
    assert not seen.objects


def test_state_is_no_manifest_wherever_it_is(folder: Folder) -> None:
    folder.write("written/controller/services/default/web.yaml", service())
    _, seen = folder.open(state=folder.path / "written")
    assert WEB not in seen.objects


def test_link_to_a_file_is_followed(folder: Folder) -> None:
    folder.write(".data/web.yaml", service())
    (folder.path / "web.yaml").symlink_to(".data/web.yaml")
    _, seen = folder.open()
    assert WEB in seen.objects


def test_fifo_is_named_and_not_waited_for(folder: Folder) -> None:
    import os

    os.mkfifo(folder.path / "pipe.yaml")
    _, seen = folder.open()
    assert seen.problems == {"pipe.yaml": "cannot be read: it is no regular file"}


def test_first_of_two_files_that_give_one_object_counts(folder: Folder) -> None:
    folder.write("b.yaml", service(port=81))
    folder.write("a.yaml", service(port=80))
    cluster, seen = folder.open()
    assert web(seen).ports[0].port == 80
    assert seen.problems == {"b.yaml:1": "Service default/web is given by a.yaml:1 already: remove one of the two"}
    (folder.path / "a.yaml").unlink()
    cluster.relist()
    assert web(seen).ports[0].port == 81
    assert not seen.problems


def test_complaint_names_file_line_field_and_what_is_right(folder: Folder) -> None:
    folder.write("shop/web.yaml", POOL + "---\n" + service(port="http"))
    _, seen = folder.open()
    message = "Service default/web: spec.ports[0].port: expected a whole number, got a string"
    assert seen.problems == {"shop/web.yaml:13": message}


def test_several_complaints_about_one_line_are_one(folder: Folder) -> None:
    item = "{apiVersion: v1, kind: Gizmo, metadata: {name: g}}"
    folder.write("a.yaml", f"{{apiVersion: v1, kind: List, items: [{item}, {item.replace('Gizmo', 'Gadget')}]}}")
    _, seen = folder.open()
    assert list(seen.problems) == ["a.yaml:1"]
    assert seen.problems["a.yaml:1"].count("is not read by metalev") == 2


def test_folder_that_cannot_be_read_any_more_keeps_everything(folder: Folder) -> None:
    folder.write("web.yaml", service())
    cluster, seen = folder.open(state=folder.path.with_name("state"))
    moved = folder.path.rename(folder.path.with_name("moved"))
    cluster.relist()
    assert WEB in seen.objects
    assert list(seen.problems) == [str(folder.path)]
    moved.rename(folder.path)
    cluster.relist()
    assert not seen.problems


# --- What is written ---


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


def test_status_file_in_the_wrong_place_is_not_believed(folder: Folder) -> None:
    folder.write("web.yaml", service())
    text = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n"
    )
    folder.write(".metalev/controller/services/default/web.yaml", text)
    _, seen = folder.open()
    assert web(seen).status == ServiceStatus()
    assert "is about default/other" in "".join(seen.problems.values())


def test_gone_services_status_and_gone_pools_status_are_removed(folder: Folder) -> None:
    folder.write("all.yaml", service() + "---\n" + POOL)
    cluster, seen = folder.open()
    cluster.write_service_status(web(seen), ASSIGNED)
    cluster.write_pool_status(seen.get(Pool, POOL_KEY), PoolStatus(1, 0, 255, 0))
    assert folder.written("controller/pools/first.yaml")["status"]["assignedIPv4"] == 1
    (folder.path / "all.yaml").unlink()
    cluster.relist()
    assert not list((folder.path / ".metalev").rglob("*.yaml"))


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
    assert WEB not in seen.objects
    folder.write("web.yaml", service())
    cluster.relist()
    assert web(seen).status == ASSIGNED


def test_deleted_state_folder_is_made_again(folder: Folder) -> None:
    import shutil

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


# --- Starting ---


def test_folder_that_is_not_there_is_a_start_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read the manifests in .*/absent: No such file or directory"):
        Folder(tmp_path / "absent").open(state=tmp_path / "state")


def test_state_that_cannot_be_a_folder_is_a_start_error(folder: Folder) -> None:
    (folder.path / "state").write_text("in the way")
    with pytest.raises(StartError, match=r"cannot write to .*/state/controller: .*; choose a folder with --state"):
        folder.open(state=folder.path / "state")

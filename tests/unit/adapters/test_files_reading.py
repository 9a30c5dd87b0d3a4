"""Which files are read, and what is said of those that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.adapters.folder import POOL, WEB, Folder, service, web

from metalev.model.errors import StartError


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


def test_link_to_no_file_is_named_and_what_it_led_to_stays(folder: Folder) -> None:
    folder.write(".data/web.yaml", service())
    (folder.path / "web.yaml").symlink_to(".data/web.yaml")
    (folder.path / "never.yaml").symlink_to("nowhere.yaml")
    cluster, seen = folder.open()
    (folder.path / ".data/web.yaml").unlink()
    cluster.relist()
    nothing = "cannot be read: it is a link to a file that is not there"
    assert seen.problems == {"never.yaml": nothing, "web.yaml": nothing}
    assert WEB in seen.objects
    (folder.path / "web.yaml").unlink()
    (folder.path / "never.yaml").unlink()
    cluster.relist()
    assert not seen.problems
    assert WEB not in seen.objects


def test_fifo_is_named_and_not_waited_for(folder: Folder) -> None:
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


# --- Starting ---


def test_folder_that_is_not_there_is_a_start_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read the manifests in .*/absent: No such file or directory"):
        Folder(tmp_path / "absent").open(state=tmp_path / "state")


def test_state_that_cannot_be_a_folder_is_a_start_error(folder: Folder) -> None:
    (folder.path / "state").write_text("in the way")
    with pytest.raises(StartError, match=r"cannot write to .*/state/controller: .*; choose a folder with --state"):
        folder.open(state=folder.path / "state")


def test_reader_does_without_a_state_folder(folder: Folder) -> None:
    folder.write("web.yaml", service())
    folder.write("state", "in the way")
    _, seen = folder.open("", state=folder.path / "state/of/metalev")
    assert WEB in seen.objects

"""Where a Kubernetes is looked for."""

from pathlib import Path

import pytest

from metalev.lab.kubernetes import binaries
from metalev.lab.kubernetes.binaries import PROGRAMS, kubernetes
from metalev.model.errors import StartError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for program in PROGRAMS:
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    return tmp_path


def scripted(monkeypatch: pytest.MonkeyPatch, path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setattr(binaries, "SCRIPT", path)


def test_the_folder_that_is_named_is_used(folder: Path) -> None:
    assert kubernetes({"METALEV_KUBERNETES": str(folder)}) == folder


def test_the_place_of_setup_envtest_is_used(folder: Path) -> None:
    assert kubernetes({"KUBEBUILDER_ASSETS": str(folder)}) == folder


def test_a_named_folder_that_lacks_a_program_is_an_error(folder: Path) -> None:
    (folder / "kube-proxy").unlink()
    with pytest.raises(StartError, match=r"METALEV_KUBERNETES=.* lacks kube-proxy"):
        kubernetes({"METALEV_KUBERNETES": str(folder)})


def test_what_setup_envtest_brings_is_not_enough_for_a_cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "kube-proxy").unlink()  # it has only etcd, kube-apiserver and kubectl
    scripted(monkeypatch, folder / "script", "echo /built")
    assert kubernetes({"KUBEBUILDER_ASSETS": str(folder)}) == Path("/built")


def test_an_error_names_the_command_that_builds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, tmp_path / "script", "echo no Go here >&2; exit 1")
    with pytest.raises(StartError, match=r"scripts/kubernetes.sh builds it.* no Go here"):
        kubernetes({})


def test_nobody_waits_for_them_to_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, tmp_path / "script", "tail -f /dev/null")
    monkeypatch.setattr(binaries, "SCRIPT_TIMEOUT_S", 0.1)
    with pytest.raises(StartError, match=r"scripts/kubernetes.sh builds it"):
        kubernetes({"PATH": "/usr/bin:/bin"})

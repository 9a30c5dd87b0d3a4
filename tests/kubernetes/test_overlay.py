"""The guide's overlay for another namespace and another image, applied to a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kubernetes.installation import DEPLOY, NAMESPACE, ROOT, Asker, metallb

from metalev.lab.kubernetes.controlplane import ControlPlane

SYSTEM = "lb-system"


def overlay() -> dict[str, Any]:
    """The kustomization of docs/tasks/install.md, with this checkout's ``deploy``."""
    guide = (ROOT / "docs" / "tasks" / "install.md").read_text()
    (block,) = (part for part in guide.split("```") if f"namespace: {SYSTEM}" in part)
    found: dict[str, Any] = yaml.safe_load(block.removeprefix("text\n"))
    return found | {"resources": ["deploy"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kustomize wants what it applies below the overlay."""
    folder = tmp_path_factory.mktemp("overlay")
    (folder / "deploy").symlink_to(DEPLOY)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay()))
    return folder


@pytest.fixture(scope="module")
def plane(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("elsewhere")) as plane:
        plane.kubectl("apply", "-k", str(folder))
        yield plane


def test_nothing_is_left_of_the_usual_namespace(plane: ControlPlane, folder: Path) -> None:
    objects = list(yaml.safe_load_all(plane.kubectl("kustomize", str(folder))))
    named = [one for one in objects if NAMESPACE in yaml.safe_dump(one | {"metadata": {}, "roleRef": {}})]
    assert [(one["kind"], one["metadata"]["name"]) for one in named] == []
    assert {one["metadata"].get("namespace", SYSTEM) for one in objects} == {SYSTEM}


def test_both_programs_run_the_other_image(plane: ControlPlane) -> None:
    path = "jsonpath={.items[*].spec.template.spec.containers[*].image}"
    said = plane.kubectl("get", "-n", SYSTEM, "deployment/controller", "daemonset/speaker", "-o", path)
    assert set(said.split()) == {f"registry.example.com/lb/metalev:{overlay()['images'][0]['newTag']}"}


def test_the_roles_and_the_policies_are_of_that_namespaces_accounts(plane: ControlPlane) -> None:
    admin = Asker(plane.kubeconfig())
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}}
    pods = [pod("speaker"), pod("controller")]
    assert [admin.create(one) for one in (node, *pods)] == [""] * 3
    speaker, controller = (Asker(plane.service_account(SYSTEM, name, pod=name)) for name in ("speaker", "controller"))
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "speaker-node-a", "namespace": SYSTEM},
    }
    assert speaker.would_create(lease) == ""
    other = lease | {"metadata": {"name": "metalev-controller", "namespace": SYSTEM}}
    assert admin.until(lambda: "may write speaker-node-a alone" in speaker.would_create(other))
    assert controller.would_create(other) == ""
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "it", "namespace": "default"},
        "involvedObject": {"namespace": "default"},
    }
    assert admin.until(lambda: "may tell events as metallb-speaker" in speaker.would_create(event))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "it", "namespace": SYSTEM}}
    assert admin.until(lambda: "may create the Secret metalev-beacon alone" in controller.would_create(secret))
    state = metallb("v1beta1", "ConfigurationState", "speaker-node-a", "")
    state["metadata"]["namespace"] = SYSTEM
    assert admin.until(lambda: speaker.would_create(state) == "")


def pod(account: str) -> dict[str, Any]:
    """One of the account's, on the node."""
    spec = {"nodeName": "node-a", "serviceAccountName": account, "containers": [{"name": "it", "image": "metalev"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": account, "namespace": SYSTEM}, "spec": spec}

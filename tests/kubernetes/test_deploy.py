"""``kubectl apply -k deploy`` on an empty cluster, and again: what is there then, and what Kubernetes makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.kubernetes.installation import DEPLOY, NAMESPACE, WORKLOADS, Asker, install, rendered

from metalev.lab.kubernetes.controlplane import ControlPlane


def specs(plane: ControlPlane) -> dict[str, Any]:
    """The specs of controller and speaker, as the API server has them."""
    found = json.loads(plane.kubectl("get", "-n", NAMESPACE, *WORKLOADS, "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["spec"] for item in found}


def test_applying_it_makes_every_object(installed: ControlPlane) -> None:
    said = installed.kubectl("get", "-k", str(DEPLOY), "-o", "name").split()
    assert len(said) == len(rendered(installed))


def test_applying_it_again_changes_nothing(installed: ControlPlane) -> None:
    def generations() -> list[tuple[str, int]]:
        items = json.loads(installed.kubectl("get", "-k", str(DEPLOY), "-o", "json"))["items"]
        return [(item["metadata"]["name"], item["metadata"].get("generation", 0)) for item in items]

    before = generations()
    said = install(installed)
    assert generations() == before
    # Where a null says what must not be there, kubectl has something to ask for each time.
    assert {line for line in said.splitlines() if not line.endswith("unchanged")} <= {
        "customresourcedefinition.apiextensions.k8s.io/bgppeers.metallb.io configured",
        "validatingwebhookconfiguration.admissionregistration.k8s.io/metallb-webhook-configuration configured",
    }


@pytest.mark.parametrize(("workload", "level"), [("controller", "restricted"), ("speaker", "privileged")])
def test_pod_security_admits_the_pods_of(installed: ControlPlane, workload: str, level: str) -> None:
    """The controller would pass the strictest level; a speaker needs the host's network, which takes the loosest."""
    admin = Asker(installed.kubeconfig())
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": f"level-{level}", "labels": {"pod-security.kubernetes.io/enforce": level}},
    }
    assert admin.create(namespace) == ""
    template = specs(installed)[workload]["template"]
    metadata = {"name": "pod", "namespace": f"level-{level}", "labels": template["metadata"]["labels"]}
    assert admin.would_create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}) == ""


def test_the_namespace_admits_speakers(installed: ControlPlane) -> None:
    labels = json.loads(installed.kubectl("get", "namespace", NAMESPACE, "-o", "json"))["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "privileged"


def test_two_controllers_never_run_beside_an_older_one(installed: ControlPlane) -> None:
    spec = specs(installed)["controller"]
    assert (spec["replicas"], spec["strategy"]) == (2, {"type": "Recreate"})


def test_a_speaker_has_one_capability_and_no_limit_of_cpu(installed: ControlPlane) -> None:
    (container,) = specs(installed)["speaker"]["template"]["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"add": ["NET_RAW"], "drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "limits" not in container["resources"]


def test_no_taint_that_only_keeps_pods_away_keeps_a_speaker_away(installed: ControlPlane) -> None:
    pod = specs(installed)["speaker"]["template"]["spec"]
    assert {"operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    assert pod["priorityClassName"] == "system-node-critical"
    assert pod["terminationGracePeriodSeconds"] >= 10

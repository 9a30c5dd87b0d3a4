"""The control plane of the tests is a real one."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.kubeconfig import User, node
from metalev.lab.ledger import processes_of, reap
from metalev.lab.namespace import LabError

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.lab.example}
spec:
  group: lab.example
  scope: Cluster
  names: {kind: Lamp, plural: lamps, singular: lamp}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          watts: {type: integer, x-kubernetes-validations: [{rule: self < 100, message: too bright}]}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, ports: [{port: 80}], ipFamilyPolicy: RequireDualStack}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web-1}
spec: {nodeName: node7, serviceAccountName: reader, containers: [{name: web, image: web}]}
"""
OWNER = """\
import sys
from pathlib import Path
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.ledger import MARK
with ControlPlane(Path(sys.argv[1])) as plane:
    environment = Path(f"/proc/{plane.apiserver.process.pid}/environ").read_text()
    print(*(entry.split("=")[1] for entry in environment.split("\\0") if entry.startswith(f"{MARK}=")), flush=True)
    input()
"""


def until(holds: Callable[[], bool]) -> None:
    """Wait until it is so: what was written takes effect a moment later."""
    end = monotonic() + 60
    while not holds():
        assert monotonic() < end
        Event().wait(0.1)


@pytest.fixture
def namespace(control_plane: ControlPlane, request: pytest.FixtureRequest) -> str:
    name = str(request.node.name).replace("_", "-")[:60].rstrip("-")
    control_plane.kubectl("create", "namespace", name)
    return name


def test_it_is_ready_and_says_its_version(control_plane: ControlPlane) -> None:
    assert control_plane.kubectl("get", "--raw", "/readyz") == "ok"
    assert json.loads(control_plane.kubectl("get", "--raw", "/version"))["gitVersion"].startswith("v1.")


def test_a_service_gets_a_cluster_address_of_each_family(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=SERVICE)
    spec = json.loads(control_plane.kubectl("get", "svc", "-n", namespace, "web", "-o", "json"))["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"]
    assert spec["clusterIPs"][0].startswith("10.96.")
    assert spec["clusterIPs"][1].startswith("fd00:96::")


def test_its_own_kinds_are_checked_by_their_schema(control_plane: ControlPlane) -> None:
    control_plane.kubectl("apply", "-f", "-", stdin=CRD)
    control_plane.kubectl("wait", "--for=condition=Established", "crd/lamps.lab.example", "--timeout=90s")
    until(lambda: control_plane.try_kubectl("get", "lamps").returncode == 0)
    lamp = {"apiVersion": "lab.example/v1", "kind": "Lamp", "metadata": {"name": "desk"}, "watts": 5}
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(lamp))
    with pytest.raises(LabError, match="too bright"):
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps({**lamp, "watts": 500}))


def test_who_has_no_role_is_refused(control_plane: ControlPlane) -> None:
    jane = control_plane.kubeconfig(User("jane"))
    with pytest.raises(LabError, match='User "jane" cannot list resource "secrets"'):
        control_plane.kubectl("get", "secrets", config=jane)


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.kubectl("create", "serviceaccount", "-n", namespace, "reader")
    control_plane.kubectl("create", "role", "-n", namespace, "reader", "--verb=list", "--resource=services")
    subject = f"--serviceaccount={namespace}:reader"
    control_plane.kubectl("create", "rolebinding", "-n", namespace, "reader", "--role=reader", subject)
    reader = control_plane.service_account(namespace, "reader")
    until(lambda: control_plane.try_kubectl("get", "services", config=reader).returncode == 0)
    with pytest.raises(LabError, match=f'"system:serviceaccount:{namespace}:reader" cannot list resource "secrets"'):
        control_plane.kubectl("get", "secrets", config=reader)


def test_a_token_bound_to_a_pod_names_its_node(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "serviceaccount", "-n", namespace, "reader")
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=POD)
    claims = control_plane.token(namespace, "reader", pod="web-1").split(".")[1]
    bound = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["kubernetes.io"]
    assert (bound["pod"]["name"], bound["node"]["name"]) == ("web-1", "node7")


def test_a_node_may_label_itself_and_no_other(control_plane: ControlPlane) -> None:
    for name in ("node1", "node2"):
        manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    kubelet = control_plane.kubeconfig(node("node1"))
    control_plane.kubectl("label", "node", "node1", "rack=a", config=kubelet)
    with pytest.raises(LabError, match="only its own Node object"):
        control_plane.kubectl("label", "node", "node2", "rack=a", config=kubelet)


@pytest.fixture
def own_control_plane(tmp_path: Path) -> ControlPlane:
    """For a test that breaks it."""
    return ControlPlane(tmp_path / "plane", audit=True)


def test_what_it_has_stored_survives_a_crash_of_each_part(own_control_plane: ControlPlane) -> None:
    with own_control_plane as plane:
        plane.kubectl("create", "namespace", "kept")
        plane.apiserver.restart()
        plane.kubectl("get", "namespace", "kept")
        plane.etcd.restart()
        plane.apiserver.wait_until_ready()
        plane.kubectl("get", "namespace", "kept")


def test_it_answers_again_when_a_pause_is_over(own_control_plane: ControlPlane) -> None:
    with own_control_plane as plane:
        plane.apiserver.pause()
        assert plane.try_kubectl("get", "--raw", "/readyz", "--request-timeout=5s").returncode != 0
        plane.apiserver.resume()
        plane.apiserver.wait_until_ready()
        assert plane.kubectl("get", "--raw", "/readyz") == "ok"


def test_it_records_who_asked_for_what(own_control_plane: ControlPlane) -> None:
    with own_control_plane as plane:
        plane.try_kubectl("get", "configmaps", config=plane.kubeconfig(User("jane")))
        (call,) = [call for call in plane.calls() if call["user"]["username"] == "jane" and call.get("objectRef")]
    assert (call["verb"], call["objectRef"]["resource"]) == ("list", "configmaps")
    assert call["responseStatus"]["code"] == 403


def test_the_programs_of_a_killed_owner_are_removed_by_the_next_lab(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "plane")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        lab_id = owner.stdout.readline().strip()
        assert len(processes_of(lab_id)) == 2
        owner.kill()
    assert lab_id in reap()
    assert processes_of(lab_id) == []

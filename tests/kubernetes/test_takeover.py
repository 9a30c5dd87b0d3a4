"""metalev applied over a MetalLB, and MetalLB over metalev: on the real API server, with objects in MetalLB's shape."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct
from tests.kubernetes.installation import (
    DEPLOY,
    NAMESPACE,
    ROOT,
    WORKLOADS,
    Asker,
    definitions,
    install,
    metallb,
    rendered,
)
from tests.kubernetes.migration import POLICIES, POLICY_NAMES

from metalev.lab.kubernetes.controlplane import ControlPlane

METALLB = Path(__file__).with_name("metallb.yaml")
WEBHOOKS = "validatingwebhookconfiguration/metallb-webhook-configuration"

POOL = metallb(
    "v1beta1", "IPAddressPool", "first", "spec: {addresses: [192.168.1.240-192.168.1.250], autoAssign: true}"
)
L2 = metallb("v1beta1", "L2Advertisement", "all", "spec: {ipAddressPools: [first], interfaces: [eth0]}")
PEER = metallb(
    "v1beta2",
    "BGPPeer",
    "router",
    "spec: {myASN: 4200000000, peerASN: 64513, peerAddress: 10.0.0.1, peerPort: 179, holdTime: 1m30s, disableMP: false,"
    " passwordSecret: {}, nodeSelectors: [{matchLabels: {rack: a}}]}",
)
STORED = (POOL, L2, PEER)


class Takeover(Struct):
    """What was seen of a cluster with MetalLB while metalev took over."""

    plane: ControlPlane
    refusal: str
    """What became of a pool while MetalLB's webhook was there and nobody served it."""
    before: list[dict[str, Any]]
    """MetalLB's workloads."""
    webhooks: list[Any]
    """The admission webhooks that ``kubectl apply -k`` left."""


@pytest.fixture(scope="module", params=["apply", "create"])
def taken_over(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Takeover]:
    """A cluster with MetalLB's objects, as ``kubectl apply`` or ``kubectl create`` leaves them, then ours over them."""
    with ControlPlane(tmp_path_factory.mktemp("taken-over")) as plane:
        install_metallb(plane, request.param)
        refusal = store_what_metallb_stores(plane)
        before = workloads(plane)
        install(plane)
        webhooks = get(plane, WEBHOOKS).get("webhooks", [])
        # What was not made by `kubectl apply` keeps fields that ours do not name, until it is replaced.
        plane.kubectl("replace", "-k", str(DEPLOY))
        yield Takeover(plane, refusal, before, webhooks)


def install_metallb(plane: ControlPlane, how: str) -> None:
    """MetalLB's manifests, and the certificate that its controller writes into them."""
    plane.kubectl(how, "-f", str(METALLB))
    names = [name for name in definitions() if name.split(".")[0] in {"bgppeers", "ipaddresspools", "l2advertisements"}]
    plane.kubectl("wait", "--for=condition=Established", *(f"crd/{name}" for name in names))
    bundle = base64.b64encode(plane.authority.read_bytes()).decode()
    body = {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}}
    plane.kubectl("patch", "crd", "bgppeers.metallb.io", "--type=merge", f"--patch={json.dumps(body)}")


def store_what_metallb_stores(plane: ControlPlane) -> str:
    """Objects under MetalLB's CRDs; returns how a pool is refused while its webhooks must be asked."""
    admin = Asker(plane.kubeconfig())

    def policy(word: str) -> None:
        body = [{"op": "replace", "path": f"/webhooks/{index}/failurePolicy", "value": word} for index in range(3)]
        plane.kubectl("patch", WEBHOOKS, "--type=json", f"--patch={json.dumps(body)}")

    refusal = admin.create(POOL)
    policy("Ignore")
    # The API server hears of it a moment later.
    assert admin.until(lambda: admin.create(POOL) == "")
    assert [admin.create(one) for one in (L2, PEER)] == ["", ""]
    policy("Fail")
    return refusal


def workloads(plane: ControlPlane) -> list[dict[str, Any]]:
    """Controller and speaker, as the API server has them."""
    found: list[dict[str, Any]] = json.loads(plane.kubectl("get", "-n", NAMESPACE, *WORKLOADS, "-o", "json"))["items"]
    return found


def get(plane: ControlPlane, *names: str) -> dict[str, Any]:
    """One object."""
    found: dict[str, Any] = json.loads(plane.kubectl("get", *names, "-o", "json"))
    return found


def wanted(item: dict[str, Any], objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The manifest of an object."""
    identity = (item["kind"], item["metadata"]["name"])
    return next(one for one in objects if (one["kind"], one["metadata"]["name"]) == identity)


def test_metallb_is_replaced_in_place(taken_over: Takeover) -> None:
    after = workloads(taken_over.plane)
    assert [item["metadata"]["uid"] for item in after] == [item["metadata"]["uid"] for item in taken_over.before]
    assert [item["spec"]["selector"] for item in after] == [item["spec"]["selector"] for item in taken_over.before]


def test_nothing_of_metallbs_pods_is_left(taken_over: Takeover) -> None:
    objects = rendered(taken_over.plane)
    for item in workloads(taken_over.plane):
        pod, ours = (one["spec"]["template"]["spec"] for one in (item, wanted(item, objects)))
        (container,), (our_container,) = pod["containers"], ours["containers"]
        assert container["env"] == wherever_from(our_container["env"])
        assert [port["containerPort"] for port in container["ports"]] == [7472]
        assert names(container, "volumeMounts") == names(our_container, "volumeMounts")
        assert names(pod, "volumes") == names(ours, "volumes")


def names(part: dict[str, Any], field: str) -> list[str]:
    """The names of a list's items."""
    return [item["name"] for item in part.get(field, [])]


def wherever_from(env: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Environment variables with what the API server adds to a reference to a field."""
    for entry in env:
        entry["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
    return env


def test_metallbs_webhook_refuses_what_it_cannot_be_asked_about(taken_over: Takeover) -> None:
    assert "metallb-webhook-service" in taken_over.refusal


def test_its_webhooks_are_gone(taken_over: Takeover) -> None:
    assert taken_over.webhooks == []
    conversion = get(taken_over.plane, "crd", "bgppeers.metallb.io")["spec"]["conversion"]
    assert conversion == {"strategy": "None"}


def test_pools_and_peers_of_both_versions_can_be_written(taken_over: Takeover) -> None:
    admin = Asker(taken_over.plane.kubeconfig())
    new = {"metadata": {"name": "new", "namespace": NAMESPACE}}
    old_peer = metallb("v1beta1", "BGPPeer", "new", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 10.0.0.1}")
    assert admin.until(lambda: admin.would_create(POOL | new) == "")
    assert admin.until(lambda: admin.would_create(PEER | new) == "")
    assert admin.until(lambda: admin.would_create(old_peer) == "")


def test_its_rights_are_replaced_by_ours(taken_over: Takeover) -> None:
    for role in rendered(taken_over.plane):
        if role["kind"] in {"Role", "ClusterRole"}:
            where = ("-n", NAMESPACE) if role["kind"] == "Role" else ()
            assert get(taken_over.plane, *where, role["kind"], role["metadata"]["name"])["rules"] == role["rules"]


@pytest.mark.parametrize("stored", STORED, ids=[one["kind"] for one in STORED])
def test_what_it_stored_stays_and_can_be_edited(taken_over: Takeover, stored: dict[str, Any]) -> None:
    admin = Asker(taken_over.plane.kubeconfig())
    name = stored["metadata"]["name"]
    found = get(taken_over.plane, "-n", NAMESPACE, f"{stored['kind']}.metallb.io", name)
    assert found["spec"].items() >= stored["spec"].items()
    assert admin.until(lambda: admin.patch(stored, {"metadata": {"labels": {"edited": "true"}}}) == "")


def test_server_side_apply_works_once_it_was_replaced(taken_over: Takeover) -> None:
    taken_over.plane.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(DEPLOY))


def test_metallb_can_be_applied_over_it_again(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        install_metallb(plane, "apply")
        install(plane)
        plane.kubectl("apply", "-f", str(METALLB))
        theirs = list(yaml.safe_load_all(METALLB.read_text()))
        for item in workloads(plane):
            (container,), (their_container,) = (
                one["spec"]["template"]["spec"]["containers"] for one in (item, wanted(item, theirs))
            )
            assert container["args"] == their_container["args"]
            assert names(container, "env") == names(their_container, "env")
            assert "metalev.io/speaker" not in item["spec"]["template"]["metadata"]["labels"]
            # Two controllers of MetalLB would give one address twice.
            assert item["spec"].get("replicas", 1) == 1
        assert get(plane, "crd", "bgppeers.metallb.io")["spec"]["conversion"]["strategy"] == "Webhook"
        assert len(get(plane, WEBHOOKS)["webhooks"]) == 3


def test_the_way_back_removes_every_policy(taken_over: Takeover) -> None:
    guide = (ROOT / "docs" / "tasks" / "migrate-from-metallb.md").read_text()
    (command,) = (part for part in guide.split("$ ") if part.startswith(f"kubectl delete {POLICIES}binding,"))
    policies = [one for one in rendered(taken_over.plane) if one["kind"] == "ValidatingAdmissionPolicy"]
    assert {one["metadata"]["name"] for one in policies} == set(POLICY_NAMES)
    assert set(POLICY_NAMES) <= set(command.split())

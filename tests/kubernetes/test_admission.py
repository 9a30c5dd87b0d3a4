"""A speaker writes what is its own: two nodes' tokens, each bound to a Pod on its node, against the real admission."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.kubernetes.fleet import NODES, Fleet, state
from tests.kubernetes.installation import NAMESPACE, Asker, metallb


def lease(name: str) -> dict[str, Any]:
    head = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": head, "spec": {"holderIdentity": name}}


def configuration_state(name: str) -> dict[str, Any]:
    return metallb("v1beta1", "ConfigurationState", name, "")


def l2_status(node: str, name: str = "l2-x") -> dict[str, Any]:
    one = metallb("v1beta1", "ServiceL2Status", name, "")
    one["metadata"]["labels"] = {"metallb.io/node": node} if node else {}
    return one


OWN = [
    *((f"SpeakerState of {node}", node, state(node)) for node in NODES),
    *((f"Lease of {node}", node, lease(f"speaker-{node}")) for node in NODES),
    *((f"ConfigurationState of {node}", node, configuration_state(f"speaker-{node}")) for node in NODES),
    *((f"ServiceL2Status of {node}", node, l2_status(node)) for node in NODES),
]
NOBODYS = [
    ("the controller's Lease", lease("metalev-controller"), "may write speaker-node-a alone, not metalev-controller"),
    ("the controller's ConfigurationState", configuration_state("controller"), "may write speaker-node-a alone"),
    ("a ServiceL2Status of nobody", l2_status(""), "not one without it"),
]


@pytest.mark.parametrize(("what", "node", "manifest"), OWN, ids=[what for what, _, _ in OWN])
def test_a_speaker_may_write_what_is_of_its_own_node(
    fleet: Fleet, what: str, node: str, manifest: dict[str, Any]
) -> None:
    own, other = (fleet.a, fleet.b) if node == NODES[0] else (fleet.b, fleet.a)
    assert own.would_create(manifest) == ""
    refusal = other.would_create(manifest)
    assert "403" in refusal
    assert f"the speaker on node {NODES[1 - NODES.index(node)]} may write" in refusal


@pytest.mark.parametrize(("what", "manifest", "said"), NOBODYS, ids=[what for what, _, _ in NOBODYS])
def test_a_speaker_may_not_write(fleet: Fleet, what: str, manifest: dict[str, Any], said: str) -> None:
    assert said in fleet.a.would_create(manifest)


@pytest.mark.parametrize(("what", "node", "manifest"), OWN[::2], ids=[what for what, _, _ in OWN[::2]])
def test_a_token_that_names_no_node_writes_nothing(
    fleet: Fleet, what: str, node: str, manifest: dict[str, Any]
) -> None:
    assert "this token names no node" in fleet.unbound.would_create(manifest)


def change(speaker: Asker, one: dict[str, Any]) -> str:
    """Do to an object what its speaker does; why not, or nothing."""
    if one["kind"] == "Lease":
        return speaker.replace(one | {"spec": {"holderIdentity": "me"}})
    return speaker.patch(one, {"status": STATUS[one["kind"]]}, "status")


@pytest.fixture
def mine(fleet: Fleet) -> Iterator[list[dict[str, Any]]]:
    """What the first node's speaker wrote."""
    written = [
        state(NODES[0]),
        lease(f"speaker-{NODES[0]}"),
        configuration_state(f"speaker-{NODES[0]}"),
        l2_status(NODES[0]),
    ]
    assert [fleet.a.create(one) for one in written] == [""] * len(written)
    yield written
    assert [fleet.admin.delete(one) for one in written] == [""] * len(written)


def test_a_speaker_may_not_change_what_another_wrote(fleet: Fleet, mine: list[dict[str, Any]]) -> None:
    for one in mine:
        assert "the speaker on node node-b.example may" in change(fleet.b, one)
        assert change(fleet.a, one) == ""


def test_a_speaker_may_not_call_its_own_what_another_wrote(fleet: Fleet, mine: list[dict[str, Any]]) -> None:
    """Not even under MetalLB's roles, which let it change everything about a ServiceL2Status."""
    role, binding = metallbs_right()
    assert [fleet.admin.create(one) for one in (role, binding)] == ["", ""]
    stolen = {"metadata": {"labels": {"metallb.io/node": NODES[1]}}}
    words = "may not make the ServiceL2Status of another node its own"
    assert fleet.admin.until(lambda: words in fleet.b.patch(mine[3], stolen))
    assert [fleet.admin.delete(one) for one in (role, binding)] == ["", ""]


def metallbs_right() -> tuple[dict[str, Any], dict[str, Any]]:
    """A Role, and its binding to the speakers."""
    group = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": "metallbs", "namespace": NAMESPACE}}
    rule = {"apiGroups": ["metallb.io"], "resources": ["servicel2statuses"], "verbs": ["patch"]}
    subject = {"kind": "ServiceAccount", "name": "speaker", "namespace": NAMESPACE}
    reference = {"apiGroup": group, "kind": "Role", "name": "metallbs"}
    return (
        head | {"kind": "Role", "rules": [rule]},
        head | {"kind": "RoleBinding", "roleRef": reference, "subjects": [subject]},
    )


STATUS = {
    "SpeakerState": {"peersHeard": [NODES[1]]},
    "ConfigurationState": {"result": "Valid"},
    "ServiceL2Status": {"node": NODES[0], "serviceName": "web", "serviceNamespace": "default"},
}


def test_a_speaker_may_not_say_that_another_node_announces(fleet: Fleet) -> None:
    assert fleet.a.create(l2_status(NODES[0], "l2-lie")) == ""
    refusal = fleet.a.patch(l2_status(NODES[0], "l2-lie"), {"status": {"node": NODES[1]}}, "status")
    assert f"may not say that {NODES[1]} announces a Service" in refusal
    assert fleet.admin.delete(l2_status(NODES[0], "l2-lie")) == ""


def test_a_new_announcer_may_remove_what_the_former_one_said(fleet: Fleet) -> None:
    assert fleet.a.create(l2_status(NODES[0], "l2-former")) == ""
    assert fleet.b.delete(l2_status(NODES[0], "l2-former")) == ""


def test_the_controller_is_not_held_to_a_node(fleet: Fleet) -> None:
    assert fleet.controller.would_create(lease("metalev-controller")) == ""
    assert fleet.controller.would_create(configuration_state("controller")) == ""


def test_a_kubelet_keeps_its_own_lease(fleet: Fleet) -> None:
    other = lease(NODES[0])
    other["metadata"]["namespace"] = "kube-node-lease"
    assert fleet.admin.would_create(other) == ""

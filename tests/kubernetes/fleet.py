"""Tokens as metalev's programs have them, each bound to a Pod, on an API server where no program runs."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.installation import NAMESPACE, Asker

from metalev.lab.kubernetes.controlplane import ControlPlane

NODES = ("node-a", "node-b.example")
CONTROLLER = "controller-1"


class Fleet:
    """A speaker on each of two nodes, a controller, and a token of the speakers that names no node."""

    def __init__(self, plane: ControlPlane) -> None:
        self.admin = Asker(plane.kubeconfig())
        for node in NODES:
            assert self.admin.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}) == ""
            assert self.admin.create(pod(f"speaker-{node}", "speaker", node)) == ""
        assert self.admin.create(pod(CONTROLLER, "controller", NODES[0])) == ""
        self.a, self.b = (Asker(plane.service_account(NAMESPACE, "speaker", pod=f"speaker-{node}")) for node in NODES)
        self.controller = Asker(plane.service_account(NAMESPACE, "controller", pod=CONTROLLER))
        self.unbound = Asker(plane.service_account(NAMESPACE, "speaker"))

    def is_held(self) -> bool:
        """Whether the policies are in force, which they are a moment after they were made."""
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "held", "namespace": "default"},
            "involvedObject": {"namespace": "default"},
        }
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "held", "namespace": NAMESPACE}}
        asked = ((self.a, state(NODES[1])), (self.a, event), (self.controller, secret))
        return all(" may " in asker.would_create(one) for asker, one in asked)


def pod(name: str, account: str, node: str) -> dict[str, Any]:
    """A Pod on a node, as the DaemonSet or the Deployment makes it."""
    spec = {"nodeName": node, "serviceAccountName": account, "containers": [{"name": "it", "image": "metalev"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def state(node: str) -> dict[str, Any]:
    return {"apiVersion": "metalev.io/v1alpha1", "kind": "SpeakerState", "metadata": {"name": node}}

"""Whoever has Kubernetes' built-in role `view` asks `metalev status` and `metalev why`, and sees no more than that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from tests.kubernetes.installation import DEPLOY, NAMESPACE, Asker, install, load, metallb

from metalev.lab.kubernetes.controlplane import ControlPlane

VIEWER = "system:serviceaccount:default:viewer"
POOL = metallb("v1beta1", "IPAddressPool", "first", "spec: {addresses: [192.168.1.240-192.168.1.250]}")
PORTS = [{"port": 80}]
WEB = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"type": "LoadBalancer", "ports": PORTS, "selector": {"app": "web"}},
}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}}
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "speaker-node-a", "namespace": NAMESPACE},
    "spec": {"holderIdentity": "speaker-1", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
}


class Viewed(Struct):
    """A cluster with metalev's resources, and somebody who may view it."""

    plane: ControlPlane
    config: Path

    def metalev(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of metalev's, run to its end by whoever may view."""
        argv = [sys.executable, "-m", "metalev", *arguments, "--kubeconfig", str(self.config)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)

    def may(self, verb: str, what: str, namespace: str = NAMESPACE) -> bool:
        """What the authorizer says of whoever may view."""
        asked = ("auth", "can-i", verb, what, "-n", namespace, f"--as={VIEWER}")
        return self.plane.try_kubectl(*asked).stdout.strip() == "yes"

    def asked(self) -> dict[str, set[int]]:
        """Each call that was made by whoever may view, as ``verb resource``, and how it was answered."""
        found: dict[str, set[int]] = {}
        for call in self.plane.calls():
            if call["user"]["username"] == VIEWER and "objectRef" in call:
                what = f"{call['verb']} {call['objectRef']['resource']}"
                found.setdefault(what, set()).add(call["responseStatus"]["code"])
        return found


@pytest.fixture(scope="module")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewed]:
    """The controller manager runs: it is who adds our role to the built-in one."""
    with ControlPlane(tmp_path_factory.mktemp("viewed"), controller_manager=True, audit=True) as plane:
        install(plane)
        admin = Asker(plane.kubeconfig())
        assert [admin.create(one) for one in (POOL, WEB, NODE, LEASE)] == [""] * 4
        plane.kubectl("create", "serviceaccount", "viewer")
        plane.kubectl("create", "clusterrolebinding", "viewer", "--clusterrole=view", "--serviceaccount=default:viewer")
        viewed = Viewed(plane, plane.service_account("default", "viewer"))
        # The role is added a moment later, and known to the authorizer another moment later.
        assert Asker.until(lambda: viewed.may("list", "speakerstates.metalev.io"), 120)
        yield viewed


def test_status_and_why_work_and_no_call_of_theirs_is_refused(viewed: Viewed) -> None:
    status = viewed.metalev("status", "-o", "json")
    assert status.returncode == 1, status.stderr  # nobody runs here, which is not well
    assert status.stderr == ""
    seen = json.loads(status.stdout)
    assert [pool["name"] for pool in seen["pools"]] == ["first"]
    why = viewed.metalev("why", "default/web")
    assert why.returncode == 1, why.stderr
    assert "web" in why.stdout
    asked = viewed.asked()
    assert {what for what, answers in asked.items() if answers != {200}} == set()
    assert {"list nodes", "list leases", "list ipaddresspools", "list speakerstates"} <= asked.keys()


def test_of_what_is_not_metalevs_the_role_holds_only_what_they_ask_for(viewed: Viewed) -> None:
    viewed.metalev("status")
    rules = [rule for rule in role()["rules"] if rule["apiGroups"] not in (["metallb.io"], ["metalev.io"])]
    held = {f"{verb} {resource}" for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}
    assert held <= viewed.asked().keys()


def role() -> dict[str, Any]:
    """Ours, for those who view."""
    return load(DEPLOY / "rbac" / "view.yaml")


def test_our_role_reads_and_nothing_else() -> None:
    assert {verb for rule in role()["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("get", "secrets/metalev-beacon"),
        ("list", "secrets"),
        ("get", "bgppeers.metallb.io"),  # a password may stand there
        ("list", "bgppeers.metallb.io"),
        ("patch", "ipaddresspools.metallb.io"),
        ("create", "ipaddresspools.metallb.io"),
        ("create", "drills.metalev.io"),
        ("delete", "speakerstates.metalev.io"),
        ("update", "leases.coordination.k8s.io"),
        ("patch", "nodes"),
    ],
)
def test_whoever_may_view_may_not(viewed: Viewed, verb: str, what: str) -> None:
    assert not viewed.may(verb, what)


def test_whoever_may_edit_gets_no_right_to_change_pools(viewed: Viewed) -> None:
    viewed.plane.kubectl("create", "serviceaccount", "editor")
    bind = ("--clusterrole=edit", "--serviceaccount=default:editor")
    viewed.plane.kubectl("create", "clusterrolebinding", "editor", *bind)
    editor = "--as=system:serviceaccount:default:editor"

    def may(verb: str) -> bool:
        asked = ("auth", "can-i", verb, "ipaddresspools.metallb.io", "-n", NAMESPACE, editor)
        return viewed.plane.try_kubectl(*asked).stdout.strip() == "yes"

    assert Asker.until(lambda: may("list"), 120)
    assert not may("patch")

"""The calls that the programs really make, as the API server's audit log has them, beside the roles that allow them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kubernetes.installation import NAMESPACE
from tests.kubernetes.manifests import apply, deployment
from tests.kubernetes.test_installed import ADVERTISEMENT, POOL, named
from tests.kubernetes.test_rbac import rights

from metalev.lab.kubernetes.cluster import KubernetesLab
from metalev.lab.kubernetes.controlplane import ControlPlane

# What is needed for what does not happen here, and why.
ELSEWHEN = {
    "get events",  # of a predecessor, to count on
    "patch events",  # told a second time
    "get configmaps",  # pools of MetalLB's old ConfigMap
    "create secrets",  # where there is no key
    "delete validatingwebhookconfigurations.admissionregistration.k8s.io",  # MetalLB's, that kubectl apply left
    "delete servicel2statuses.metallb.io",  # by whoever takes over
    "update leases.coordination.k8s.io",  # a renewal may take longer than all of this
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A Service was given an address, announced, and taken over."""
    with KubernetesLab(tmp_path_factory.mktemp("audited"), audit=True, ipv6=False) as lab:
        lab.install()
        apply(lab, POOL, ADVERTISEMENT, deployment("web", 3))
        lab.wait_for_pods("app=web", 3)
        apply(lab, named("web"))
        (address,) = lab.wait_for_addresses("web")
        former = lab.wait_for_announcer(address)
        # The controller may be on the node that is killed, and the API server takes a while to store a new resource.
        said = "patch configurationstates/status.metallb.io"
        lab.wait_for("the controller says what it made of the pool", lambda: said in made(lab.plane, "controller"))
        lab.kill(former.name)
        lab.wait_for("another node announces it", lambda: lab.wait_for_announcer(address).name != former.name)
        lab.wait_for(
            "its status is written", lambda: "patch servicel2statuses/status.metallb.io" in made(lab.plane, "speaker")
        )
        yield lab.plane


def made(plane: ControlPlane, account: str) -> dict[str, set[int]]:
    """Each call of an account as ``verb resource.group``, and how it was answered."""
    found: dict[str, set[int]] = {}
    for event in plane.calls():
        if event["user"]["username"] == f"system:serviceaccount:{NAMESPACE}:{account}" and "objectRef" in event:
            about = event["objectRef"]
            parts = (f"/{about['subresource']}" if "subresource" in about else "") + (
                f".{about['apiGroup']}" if "apiGroup" in about else ""
            )
            found.setdefault(f"{event['verb']} {about['resource']}{parts}", set()).add(event["responseStatus"]["code"])
    return found


@pytest.mark.parametrize("account", ["controller", "speaker"])
def test_no_call_is_refused(plane: ControlPlane, account: str) -> None:
    calls = made(plane, account)
    assert calls
    assert {call for call, answers in calls.items() if answers & {401, 403}} == set()


@pytest.mark.parametrize("account", ["controller", "speaker"])
def test_every_right_is_used(plane: ControlPlane, account: str) -> None:
    assert rights(plane, account) - made(plane, account).keys() <= ELSEWHEN

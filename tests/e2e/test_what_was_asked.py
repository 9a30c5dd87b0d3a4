"""What the programs asked the API server for in all the tests before: it was allowed, and no right is left over.

It comes last, and needs all of ``tests/e2e`` to have run; the API server's audit log has every call.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.e2e.cluster import SYSTEM, Cluster

from metalev.lab.kubernetes.cluster import KubernetesLab

ROLES = {
    "controller": (("clusterrole", "metallb-system:controller"), ("role", "controller")),
    "speaker": (("clusterrole", "metallb-system:speaker"), ("role", "pod-lister")),
}
# Rights that nothing in these tests makes use of, and what they are for.
ELSEWHEN = {
    "get events": "counting on an event of an earlier life of the program",
    "create secrets": "the beacons' key, where nobody made one before",
    "delete validatingwebhookconfigurations.admissionregistration.k8s.io": "MetalLB's, after taking over from it",
}


def made(lab: KubernetesLab, account: str) -> dict[str, set[int]]:
    """Each call of a ServiceAccount as ``verb resource.group``, and how it was answered."""
    user, found = f"system:serviceaccount:{SYSTEM}:{account}", dict[str, set[int]]()
    for event in lab.plane.calls():
        if event["user"]["username"] == user and "objectRef" in event:
            about = event["objectRef"]
            group, sub = about.get("apiGroup", ""), about.get("subresource", "")
            call = f"{event['verb']} {about['resource']}{sub and '/' + sub}{group and '.' + group}"
            found.setdefault(call, set()).add(event["responseStatus"]["code"])
    return found


def rights(cluster: Cluster, account: str) -> set[str]:
    """What the roles of a ServiceAccount hold, in the same words."""
    rules: list[dict[str, Any]] = []
    for kind, name in ROLES[account]:
        rules += json.loads(cluster.kubectl("get", kind, name, "-n", SYSTEM, "-o", "json"))["rules"]
    return {
        f"{verb} {resource}{group and '.' + group}"
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }


@pytest.mark.parametrize("account", ROLES)
def test_every_call_was_allowed(cluster: Cluster, lab: KubernetesLab, account: str) -> None:
    calls = made(lab, account)
    assert calls
    assert [call for call, answers in calls.items() if answers & {401, 403}] == []


@pytest.mark.parametrize("account", ROLES)
def test_every_right_was_used(cluster: Cluster, lab: KubernetesLab, account: str) -> None:
    assert sorted(rights(cluster, account) - made(lab, account).keys() - ELSEWHEN.keys()) == []


def test_no_right_is_excused_that_there_is_not(cluster: Cluster) -> None:
    assert ELSEWHEN.keys() <= set().union(*(rights(cluster, account) for account in ROLES))


@pytest.mark.parametrize("account", ROLES)
def test_nothing_was_asked_for_in_vain_over_and_over(cluster: Cluster, lab: KubernetesLab, account: str) -> None:
    """A conflict or a missing object is an everyday answer; a request that makes no sense is a mistake of ours."""
    assert [call for call, answers in made(lab, account).items() if answers & {400, 405, 415}] == []

"""What the two ServiceAccounts may and may not do, as the real authorizer answers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from tests.kubernetes.installation import NAMESPACE, rendered

from metalev.adapters.kubernetes import Api
from metalev.adapters.places import Source
from metalev.lab.kubernetes.controlplane import ControlPlane

REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
OURS, THEIRS = NAMESPACE, "default"
LAYER_2 = "ipaddresspools l2advertisements"
BGP = "bgpadvertisements bgppeers bfdprofiles communities"
METALLB = f"{LAYER_2} {BGP}"


class Call(NamedTuple):
    """One question: ``verb resource[/subresource][.group]``, in a namespace (empty: everywhere), of a name."""

    what: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.name} in {self.namespace or 'the cluster'}"


def calls(verbs: str, resources: str, namespace: str = "", name: str = "", group: str = "") -> list[Call]:
    """Every verb with every resource."""
    tail = f".{group}" if group else ""
    return [
        Call(f"{verb} {resource}{tail}", namespace, name) for resource in resources.split() for verb in verbs.split()
    ]


READ_BY_BOTH = [
    *calls("list watch", "services nodes"),
    *calls("list watch", "endpointslices", group="discovery.k8s.io"),
    *calls("list watch", LAYER_2, OURS, group="metallb.io"),
    *calls("list watch", "secrets", OURS, "metalev-beacon"),
    *calls("list watch", "configmaps", OURS, "config"),
    *calls("list watch", "pods", OURS),
    *calls("create get patch", "events", THEIRS),
    *calls("get create update", "leases", OURS, group="coordination.k8s.io"),
    *calls("get list watch create", "configurationstates", OURS, group="metallb.io"),
    *calls("patch", "configurationstates/status", OURS, group="metallb.io"),
]
CONTROLLER = [
    *READ_BY_BOTH,
    *calls("list watch", BGP, OURS, group="metallb.io"),
    *calls("list watch", "namespaces"),
    *calls("patch", "services/status", THEIRS),
    *calls("list watch", "speakerstates", group="metalev.io"),
    *calls("patch", "ipaddresspools/status", OURS, group="metallb.io"),
    *calls("create", "secrets", OURS),
    *calls("get", "configmaps", OURS, "config"),
    Call("get validatingwebhookconfigurations.admissionregistration.k8s.io", "", "metallb-webhook-configuration"),
    Call("delete validatingwebhookconfigurations.admissionregistration.k8s.io", "", "metallb-webhook-configuration"),
]
SPEAKER = [
    *READ_BY_BOTH,
    *calls("list watch", "drills", OURS, group="metalev.io"),
    *calls("create", "speakerstates", group="metalev.io"),
    *calls("patch", "speakerstates/status", group="metalev.io"),
    *calls("list watch create delete", "servicel2statuses", OURS, group="metallb.io"),
    *calls("patch", "servicel2statuses/status", OURS, group="metallb.io"),
]
REFUSED_TO_BOTH = [
    *calls("get list watch create update patch delete", "secrets", THEIRS),
    *calls("get list watch", "secrets", "kube-system", "metalev-beacon"),
    *calls("get list watch update delete", "secrets", OURS),
    *calls("get patch delete", "secrets", OURS, "memberlist"),
    *calls("patch update delete", "secrets", OURS, "metalev-beacon"),
    *calls("get list", "configmaps", THEIRS, "config"),
    *calls("get list update patch", "configmaps", OURS),
    *calls("create update patch delete", "services", THEIRS),
    *calls("update", "services/status", THEIRS),
    *calls("create update patch delete", "nodes nodes/status namespaces"),
    *calls("create update patch delete", "pods", OURS),
    *calls("list watch", "pods", THEIRS),
    *calls("create", "pods/exec pods/eviction serviceaccounts/token", OURS),
    *calls("create update patch delete", "endpointslices", THEIRS, group="discovery.k8s.io"),
    *calls("create update patch delete", METALLB, OURS, group="metallb.io"),
    *calls("list", METALLB, THEIRS, group="metallb.io"),
    *calls("delete", "configurationstates", OURS, group="metallb.io"),
    *calls("delete", "leases", OURS, group="coordination.k8s.io"),
    *calls("get create update", "leases", "kube-system", group="coordination.k8s.io"),
    *calls("get create update", "leases", "kube-node-lease", group="coordination.k8s.io"),
    *calls("delete deletecollection", "events", THEIRS),
    *calls("delete", "speakerstates", group="metalev.io"),
    *calls("create update patch delete", "drills", OURS, group="metalev.io"),
    *calls("list watch", "drills", THEIRS, group="metalev.io"),
    *calls("get list create update patch delete", "customresourcedefinitions", group="apiextensions.k8s.io"),
    *calls("create update patch", "deployments daemonsets", OURS, group="apps"),
    *calls("create update patch bind escalate", "clusterroles roles", group="rbac.authorization.k8s.io"),
    *calls("create update patch", "validatingwebhookconfigurations", group="admissionregistration.k8s.io"),
    *calls("delete", "validatingwebhookconfigurations", "", "another", group="admissionregistration.k8s.io"),
    *calls("delete", "validatingadmissionpolicies", group="admissionregistration.k8s.io"),
    *calls("impersonate", "users groups serviceaccounts"),
]
REFUSED = {
    "controller": [
        *REFUSED_TO_BOTH,
        *calls("create patch", "speakerstates speakerstates/status", group="metalev.io"),
        *calls("list watch", "drills", OURS, group="metalev.io"),
        *calls("list create patch delete", "servicel2statuses", OURS, group="metallb.io"),
    ],
    "speaker": [
        *REFUSED_TO_BOTH,
        *calls("list watch", BGP, OURS, group="metallb.io"),
        *calls("list watch", "namespaces"),
        *calls("patch", "services/status", THEIRS),
        *calls("patch", "ipaddresspools/status", OURS, group="metallb.io"),
        *calls("create", "secrets", OURS),
        Call(
            "delete validatingwebhookconfigurations.admissionregistration.k8s.io", "", "metallb-webhook-configuration"
        ),
    ],
}


class Authorizer:
    """The API server's, asked by an administrator."""

    def __init__(self, plane: ControlPlane) -> None:
        self._api = Api(Source(str(plane.kubeconfig())))

    def allows(self, account: str, call: Call) -> bool:
        verb, _, target = call.what.partition(" ")
        resource, _, group = target.partition(".")
        resource, _, subresource = resource.partition("/")
        attributes = {
            "verb": verb,
            "resource": resource,
            "subresource": subresource,
            "group": group,
            "namespace": call.namespace,
            "name": call.name,
        }
        user = f"system:serviceaccount:{NAMESPACE}:{account}"
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]
        spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return bool(json.loads(self._api.post(REVIEWS, review))["status"]["allowed"])

    def allowed(self, account: str, asked: list[Call]) -> list[Call]:
        """Those of the calls that are allowed."""
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda call: self.allows(account, call), asked))
        return [call for call, answer in zip(asked, answers, strict=True) if answer]


@pytest.fixture(scope="module")
def authorizer(installed: ControlPlane) -> Authorizer:
    return Authorizer(installed)


@pytest.mark.parametrize(("account", "needed"), [("controller", CONTROLLER), ("speaker", SPEAKER)])
def test_every_call_that_is_made_is_allowed(authorizer: Authorizer, account: str, needed: list[Call]) -> None:
    allowed = set(authorizer.allowed(account, needed))
    assert [str(call) for call in needed if call not in allowed] == []


@pytest.mark.parametrize("account", ["controller", "speaker"])
def test_nothing_else_that_would_do_harm_is_allowed(authorizer: Authorizer, account: str) -> None:
    assert [str(call) for call in authorizer.allowed(account, REFUSED[account])] == []


@pytest.mark.parametrize(("account", "needed"), [("controller", CONTROLLER), ("speaker", SPEAKER)])
def test_the_roles_hold_no_right_that_no_call_needs(installed: ControlPlane, account: str, needed: list[Call]) -> None:
    asked = {call.what for call in needed}
    assert {right for right in rights(installed, account) if right not in asked} == set()


def rights(plane: ControlPlane, account: str) -> set[str]:
    """What the roles of an account hold, as ``verb resource.group``."""
    objects = rendered(plane)
    bound = {
        (one["roleRef"]["kind"], one["roleRef"]["name"])
        for one in objects
        if one["kind"].endswith("Binding") and any(who["name"] == account for who in one.get("subjects", []))
    }
    rules: list[dict[str, Any]] = [
        rule for one in objects if (one["kind"], one["metadata"]["name"]) in bound for rule in one["rules"]
    ]
    return {
        f"{verb} {resource}{group and '.' + group}"
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }


@pytest.mark.parametrize("account", ["controller", "speaker"])
def test_no_role_has_a_wildcard(installed: ControlPlane, account: str) -> None:
    assert [right for right in rights(installed, account) if "*" in right] == []

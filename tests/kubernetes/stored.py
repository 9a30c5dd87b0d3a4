"""Objects as MetalLB's versions have left them in etcd, and resource definitions that let an API server store them."""

from __future__ import annotations

import base64
import json
import re
import urllib.request
from pathlib import Path
from typing import Any

from tests.kubernetes.installation import NAMESPACE, metallb

from metalev.lab.kubernetes.controlplane import ControlPlane

GROUP = "metallb.io"
PEER = "BGPPeer"
PLURALS = {
    "IPAddressPool": "ipaddresspools",
    "L2Advertisement": "l2advertisements",
    "BGPAdvertisement": "bgpadvertisements",
    PEER: "bgppeers",
    "BFDProfile": "bfdprofiles",
    "Community": "communities",
    "ServiceL2Status": "servicel2statuses",
    "ServiceBGPStatus": "servicebgpstatuses",
    "ConfigurationState": "configurationstates",
    "AddressPool": "addresspools",  # of MetalLB 0.13, which 0.14 took away
}
SELECTOR = "{matchLabels: {rack: a}, matchExpressions: [{key: gpu, operator: NotIn, values: ['true']}]}"
OF_SERVICE = "node: node-a, serviceName: web, serviceNamespace: default"
CONDITION = (
    "{type: poolReconcilerValid, status: 'True', reason: Reconciled, message: '', "
    "lastTransitionTime: '2026-01-01T00:00:00Z'}"
)

OBJECTS = [
    metallb(
        "v1beta1",
        "IPAddressPool",
        "first",
        "spec: {addresses: [192.168.1.240-192.168.1.250], autoAssign: true, avoidBuggyIPs: false, serviceAllocation: "
        f"{{priority: 50, namespaces: [shop], namespaceSelectors: [{SELECTOR}], serviceSelectors: [{SELECTOR}]}}}}\n"
        "status: {assignedIPv4: 2, assignedIPv6: 0, availableIPv4: 9, availableIPv6: 0}",
    ),
    metallb(
        "v1beta1",
        "L2Advertisement",
        "all",
        f"spec: {{ipAddressPools: [first], interfaces: [eth0], nodeSelectors: [{SELECTOR}]}}\nstatus: {{}}",
    ),
    metallb(
        "v1beta1",
        "BGPAdvertisement",
        "all",
        "spec: {aggregationLength: 32, aggregationLengthV6: 128, localPref: 100, communities: ['65535:65282', vpn], "
        f"ipAddressPools: [first], peers: [new], nodeSelectors: [{SELECTOR}]}}\nstatus: {{}}",
    ),
    # Durations that were not said were stored as 0s, and a reference to no Secret as one without a name.
    metallb(
        "v1beta2",
        PEER,
        "new",
        "spec: {myASN: 4200000000, peerASN: 64513, peerAddress: 10.0.0.1, peerPort: 179, holdTime: 1m30s, "
        "keepaliveTime: 0s, passwordSecret: {}, disableMP: false, vrf: red, "
        f"nodeSelectors: [{SELECTOR}]}}\nstatus: {{}}",
    ),
    metallb(
        "v1beta1",
        "BFDProfile",
        "fast",
        "spec: {receiveInterval: 100, transmitInterval: 100, detectMultiplier: 3, echoInterval: 50, echoMode: false, "
        "passiveMode: true, minimumTtl: 254}\nstatus: {}",
    ),
    metallb("v1beta1", "Community", "names", "spec: {communities: [{name: vpn, value: '64512:1'}]}\nstatus: {}"),
    metallb("v1beta1", "ServiceL2Status", "l2-x7k2p", f"status: {{{OF_SERVICE}, interfaces: [{{name: eth0}}]}}"),
    metallb("v1beta1", "ServiceBGPStatus", "bgp-x7k2p", f"status: {{{OF_SERVICE}, peers: [new]}}"),
    metallb(
        "v1beta1",
        "ConfigurationState",
        "controller",
        f"status: {{result: Valid, errorSummary: '', conditions: [{CONDITION}]}}",
    ),
]
OLD_PEER = metallb(
    "v1beta1",
    PEER,
    "old",
    "spec: {myASN: 64512, peerASN: 64513, peerAddress: 10.0.0.2, holdTime: 0s, keepaliveTime: 0s, routerID: 10.0.0.9, "
    f"bfdProfile: fast, password: secret, ebgpMultiHop: true, nodeSelectors: [{SELECTOR}]}}\nstatus: {{}}",
)
# What MetalLB stored where nobody had its webhooks look, and what ours would not take as new.
ODD = [
    metallb("v1beta1", PEER, "odd-peer", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 10.0.0.3, peerPort: 0}"),
    metallb("v1beta1", "IPAddressPool", "odd-pool", "spec: {addresses: [10.0.0.9]}"),
    metallb("v1beta1", "L2Advertisement", "odd-l2", "spec: {ipAddressPools: [first, first], nodeSelectors: [{}, {}]}"),
    metallb("v1beta1", "BGPAdvertisement", "odd-bgp", "spec: {communities: ['1:1', '1:1'], aggregationLength: 40}"),
    metallb("v1beta1", "Community", "odd-names", "spec: {communities: [{name: a, value: nothing}]}"),
    metallb("v1beta1", "BFDProfile", "odd-bfd", "spec: {receiveInterval: 1}"),
]
LEFT_OVER = metallb("v1alpha1", "AddressPool", "left", "spec: {protocol: layer2, addresses: [10.0.0.0/24]}")


def definition(kind: str, *versions: str, webhook: bool = False) -> dict[str, Any]:
    """MetalLB's, as far as storing goes: the last of the versions is stored, whatever the fields."""
    plural = PLURALS[kind]
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec: dict[str, Any] = {
        "group": GROUP,
        "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
        "scope": "Namespaced",
        "versions": [
            {"name": name, "served": True, "storage": name == versions[-1], "schema": schema}
            | ({} if kind == "AddressPool" else {"subresources": {"status": {}}})
            for name in versions
        ],
    }
    if webhook:
        service = {"name": "metallb-webhook-service", "namespace": NAMESPACE, "path": "/convert"}
        client = {"service": service}
        reviews = {"clientConfig": client, "conversionReviewVersions": ["v1beta1", "v1beta2"]}
        spec["conversion"] = {"strategy": "Webhook", "webhook": reviews}
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**head, "metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec}


def path(one: dict[str, Any], version: str, name: str = "") -> str:
    """Where objects of its kind are, as another version of it; one of them, if it is named."""
    return f"/apis/{GROUP}/{version}/namespaces/{NAMESPACE}/{PLURALS[one['kind']]}" + (f"/{name}" if name else "")


def in_etcd(plane: ControlPlane, one: dict[str, Any]) -> dict[str, Any]:
    """An object as it is stored, asked of etcd itself."""
    words = Path(f"/proc/{plane.etcd.process.pid}/cmdline").read_text()
    found = re.search("--listen-client-urls=([^\0]+)", words)
    assert found is not None, words
    key = f"/registry/{GROUP}/{PLURALS[one['kind']]}/{NAMESPACE}/{one['metadata']['name']}"
    body = json.dumps({"key": base64.b64encode(key.encode()).decode()}).encode()
    request = urllib.request.Request(f"{found[1]}/v3/kv/range", body)
    with urllib.request.urlopen(request, timeout=60) as answer:
        (entry,) = json.load(answer)["kvs"]
    stored: dict[str, Any] = json.loads(base64.b64decode(entry["value"]))
    return stored

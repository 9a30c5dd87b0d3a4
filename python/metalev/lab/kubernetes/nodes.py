"""A node as its kubelet tells the API of it."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

from metalev.lab.kubernetes.api import Object
from metalev.lab.kubernetes.logs import PORT as LOG_PORT
from metalev.lab.topology import NodeSpec
from metalev.model.address import IPAddress

LEASE_NAMESPACE = "kube-node-lease"
LEASE_DURATION_S = 40
_CONDITIONS = {
    "Ready": ("True", "KubeletReady"),
    "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID"),
}


def node_object(spec: NodeSpec) -> Object:
    """The Node to register."""
    labels = {"kubernetes.io/hostname": spec.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": labels},
        "spec": {"podCIDR": str(spec.pod_cidr), "podCIDRs": list(map(str, spec.pod_cidrs))},
    }


def node_status(spec: NodeSpec, version: str) -> Object:
    """Its status while all is well, as a patch."""
    addresses = [{"type": "InternalIP", "address": str(address)} for address in spec.addresses]
    resources = {"cpu": "4", "memory": "8Gi", "pods": str(len(spec.pods))}
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": "", "lastHeartbeatTime": now()}
        for kind, (status, reason) in _CONDITIONS.items()
    ]
    return {
        "status": {
            # The merge key is the type, and two addresses have one: only a whole list can be written, as by a kubelet.
            "addresses": [{"$patch": "replace"}, *addresses, {"type": "Hostname", "address": spec.name}],
            "capacity": resources,
            "allocatable": resources,
            "conditions": conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": LOG_PORT}},
            "nodeInfo": {"kubeletVersion": version, "kernelVersion": "lab", "osImage": "a network namespace"},
        }
    }


def lease(node: Object) -> Object:
    """The Lease by which it says that it lives."""
    name = node["metadata"]["name"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_DURATION_S, "renewTime": now_micro()},
    }


def is_ready(item: Object) -> bool:
    """Whether a Node's or a Pod's condition Ready is True."""
    conditions = item.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def addresses_of(item: Object) -> list[IPAddress]:
    """The addresses of a Pod, one of each family."""
    return [ip_address(entry["ip"]) for entry in item.get("status", {}).get("podIPs", ())]


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro() -> str:
    """The time as a Lease has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""What a user would apply."""

import json
from typing import Any

from metalev.lab.kubernetes.cluster import SYSTEM, KubernetesLab

Manifest = dict[str, Any]

PORTS = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
SERVICE_PORTS = [
    {"name": "http", "port": 80},
    {"name": "echo", "port": 7},
    {"name": "dns", "port": 53, "protocol": "UDP"},
]


def apply(cluster: KubernetesLab, *manifests: Manifest) -> None:
    cluster.plane.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": manifests})
    )


def deployment(name: str, replicas: int, **pod: Any) -> Manifest:
    """Of web servers; ``pod`` goes to the Pod's spec."""
    container = {"name": "web", "image": "nginx:1.27", "ports": PORTS, **pod.pop("container", {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}},
        },
    }


def service(name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": name},
            "ports": SERVICE_PORTS,
            "ipFamilyPolicy": "PreferDualStack",
            **spec,
        },
    }


def pool(name: str, *ranges: str) -> Manifest:
    """An IPAddressPool of these ranges."""
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": SYSTEM},
        "spec": {"addresses": list(ranges)},
    }


def advertisement(name: str, **spec: Any) -> Manifest:
    """An L2Advertisement: of all pools, from all nodes, unless ``spec`` says less."""
    metadata = {"name": name, "namespace": SYSTEM}
    manifest = {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": metadata}
    return {**manifest, "spec": spec} if spec else manifest


def give_addresses(cluster: KubernetesLab, name: str, *addresses: str) -> None:
    """What a load balancer's controller does."""
    status = {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}
    cluster.plane.kubectl("patch", "service", name, "--subresource=status", "-p", json.dumps({"status": status}))

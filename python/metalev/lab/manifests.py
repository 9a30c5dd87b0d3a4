"""A directory of manifests that describes a topology, as its user would write it.

In a cluster Kubernetes itself writes the EndpointSlices; in a directory they are manifests like the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from metalev.lab.pods import ECHO_PORT, HTTP_PORT
from metalev.lab.topology import NodeSpec, PodSpec, Topology
from metalev.model.address import Family

Manifest: TypeAlias = dict[str, Any]

PORTS: Mapping[str, int] = {
    "http": HTTP_PORT,
    "echo": ECHO_PORT,
}  # what every pod of the lab serves, by the port's name
SYSTEM_NAMESPACE = "metallb-system"
POOL = "192.168.1.200-192.168.1.210"
POOL6 = "fd00:192:168:1::200-fd00:192:168:1::210"


class Manifests:
    """Writes and removes files in a directory, in place, as an editor does."""

    def __init__(self, directory: Path, topology: Topology) -> None:
        self.directory = directory
        self._topology = topology
        self._services = 0
        directory.mkdir(parents=True, exist_ok=True)

    def write_cluster(self) -> None:
        """The nodes and namespaces."""
        self.write("nodes", *map(node, self._topology.nodes))
        self.write("namespaces", namespace("default"), namespace(SYSTEM_NAMESPACE))

    def write_pool(self, *ranges: str) -> None:
        """The address pool of the user's home network (or other ``ranges``), announced on layer 2."""
        usual = (POOL, POOL6) if self._topology.subnet6 else (POOL,)
        self.write("pool", pool("default", ranges or usual), l2_advertisement("default", ("default",)))

    def write_service(self, name: str, *, families: Sequence[Family] = (4,), **options: Any) -> None:
        """A Service with all pods of the topology behind it; see :func:`service` for the options."""
        self._services += 1
        own = {4: f"10.96.0.{9 + self._services}", 6: f"fd00:10:96::{9 + self._services}"}
        options.setdefault("cluster_ip", tuple(own[family] for family in families))
        pods = list(self._topology.pods)
        slices = [endpoint_slice(name, pods, family=family) for family in families]
        self.write(name, service(name, **options), *slices)

    def write_endpoints(self, name: str, pods: Iterable[tuple[NodeSpec, PodSpec]], **options: Any) -> None:
        """Replace the Service's pods by ``pods``: the file that :meth:`write_service` wrote keeps its Service."""
        there, pods = list(yaml.safe_load_all(self.path(name).read_text())), list(pods)
        (kept,) = (document for document in there if document["kind"] == "Service")
        families: list[Family] = [4 if family == "IPv4" else 6 for family in kept["spec"]["ipFamilies"]]
        self.write(name, kept, *(endpoint_slice(name, pods, family=family, **options) for family in families))

    def write(self, file: str, *documents: Manifest) -> Path:
        """Write ``file``.yaml with these documents."""
        path = self.path(file)
        path.write_text(yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True))
        return path

    def remove(self, file: str) -> None:
        """Delete ``file``.yaml and with it what it described."""
        self.path(file).unlink()

    def path(self, file: str) -> Path:
        """Where ``file`` lies."""
        return self.directory / f"{file}.yaml"


def node(spec: NodeSpec) -> Manifest:
    """A ready Node."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": {"kubernetes.io/hostname": spec.name}},
        "spec": {"podCIDR": str(spec.pod_cidr), "podCIDRs": list(map(str, spec.pod_cidrs))},
        "status": {
            "addresses": [
                *({"type": "InternalIP", "address": str(address)} for address in spec.addresses),
                {"type": "Hostname", "address": spec.name},
            ],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def namespace(name: str) -> Manifest:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service(
    name: str,
    *,
    cluster_ip: str | Sequence[str],
    traffic_policy: str = "Cluster",
    sticky_seconds: int | None = None,
    annotations: Mapping[str, str] | None = None,
    ports: Mapping[str, int] = PORTS,
) -> Manifest:
    """A Service of type LoadBalancer in ``default``; ``sticky_seconds`` sets sessionAffinity ClientIP.

    Its families are those of ``cluster_ip``: with two, it requires an address of each.
    """
    cluster_ips = [cluster_ip] if isinstance(cluster_ip, str) else list(cluster_ip)
    affinity: Manifest = {"sessionAffinity": "None"}
    if sticky_seconds is not None:
        config = {"clientIP": {"timeoutSeconds": sticky_seconds}}
        affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": dict(annotations or {})},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": cluster_ips[0],
            "clusterIPs": cluster_ips,
            "ipFamilies": ["IPv6" if ":" in ip else "IPv4" for ip in cluster_ips],
            "ipFamilyPolicy": "SingleStack" if len(cluster_ips) == 1 else "RequireDualStack",
            "selector": {"app": name},
            "externalTrafficPolicy": traffic_policy,
            **affinity,
            "ports": [_port(port, number) | {"targetPort": PORTS[port]} for port, number in ports.items()],
        },
    }


def endpoint_slice(
    service_name: str,
    pods: Iterable[tuple[NodeSpec, PodSpec]],
    *,
    ports: Mapping[str, int] = PORTS,
    unready: Sequence[str] = (),
    family: Family = 4,
) -> Manifest:
    """The pods behind a Service by one family, except that those named in ``unready`` are not ready."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service_name}-ipv{family}",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": service_name},
        },
        "addressType": f"IPv{family}",
        "ports": [_port(port, number) for port, number in ports.items()],
        "endpoints": [_endpoint(node, pod, family, ready=pod.name not in unready) for node, pod in pods],
    }


def pool(name: str, ranges: Sequence[str]) -> Manifest:
    """An IPAddressPool."""
    return _metallb("IPAddressPool", name, {"addresses": list(ranges)})


def l2_advertisement(name: str, pools: Sequence[str]) -> Manifest:
    """An L2Advertisement of these pools."""
    return _metallb("L2Advertisement", name, {"ipAddressPools": list(pools)})


def _metallb(kind: str, name: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": SYSTEM_NAMESPACE}
    return {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}


def _port(name: str, number: int) -> Manifest:
    return {"name": name, "port": number, "protocol": "TCP"}


def _endpoint(node: NodeSpec, pod: PodSpec, family: Family, *, ready: bool) -> Manifest:
    return {
        "addresses": [str(pod.address if family == 4 else pod.address6)],
        "nodeName": node.name,
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "targetRef": {"kind": "Pod", "name": pod.name, "namespace": "default"},
    }

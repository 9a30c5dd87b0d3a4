"""The command lines of Kubernetes' programs."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import msgspec

from metalev.lab.kubernetes.certificates import Certificates

SERVICE_CIDRS = ("10.96.0.0/16", "fd00:96::/112")
API_SERVICE = "10.96.0.1"  # the first of them: the Service `kubernetes`
ISSUER = "https://kubernetes.default.svc.cluster.local"
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "daemonset-controller",
    "deployment-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "taint-eviction-controller",
)
NODE_GRACE_S = 16  # until a Node whose kubelet is silent is no longer Ready; the default is 50
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class Settings(msgspec.Struct, frozen=True):
    """Where a control plane keeps its files and where it listens."""

    directory: Path
    address: str
    port: int
    etcd: int
    etcd_way: int
    """The port by which the API server reaches etcd."""
    etcd_peers: int
    controllers: int
    audit: bool


def server_names(address: str) -> list[str]:
    """By which names the API server is reached, as openssl writes them."""
    addresses = dict.fromkeys((address, "127.0.0.1", API_SERVICE))
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    return [*(f"IP:{ip}" for ip in addresses), *(f"DNS:{name}" for name in names)]


def etcd(settings: Settings) -> list[str]:
    """etcd, on loopback only. It may lose what it stored when the machine fails, not when it is killed itself."""
    clients, peers = f"http://127.0.0.1:{settings.etcd}", f"http://127.0.0.1:{settings.etcd_peers}"
    return [
        f"--data-dir={settings.directory / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--log-level=warn",
    ]


def kube_apiserver(settings: Settings, certificates: Certificates, *, controllers: bool) -> list[str]:
    """kube-apiserver as kubeadm has it: client certificates, Node and RBAC, both families of Services."""
    kubelet_client = certificates.client("kube-apiserver-kubelet-client", ("system:masters",))
    (certificate, key), tokens = certificates.server, certificates.service_accounts
    loopback = ip_address(settings.address).is_loopback
    return [
        f"--etcd-servers=http://127.0.0.1:{settings.etcd_way}",
        f"--bind-address={settings.address if loopback else '0.0.0.0'}",  # noqa: S104  (of a namespace of its own)
        f"--advertise-address={settings.address}",
        f"--secure-port={settings.port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={certificates.authority}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={','.join(SERVICE_CIDRS)}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={tokens[0]}",
        f"--service-account-signing-key-file={tokens[1]}",
        # No Endpoints may contain a loopback address.
        *(["--endpoint-reconciler-type=none"] if loopback else []),
        # Without a controller nobody makes the ServiceAccount `default`, which every Pod would have to wait for.
        *([] if controllers else ["--disable-admission-plugins=ServiceAccount"]),
        # For `kubectl logs`: the nodes' names are in no DNS.
        f"--kubelet-client-certificate={kubelet_client[0]}",
        f"--kubelet-client-key={kubelet_client[1]}",
        "--kubelet-preferred-address-types=InternalIP",
        *(_audit(settings.directory) if settings.audit else []),
    ]


def kube_controller_manager(settings: Settings, certificates: Certificates, kubeconfig: Path) -> list[str]:
    """The controllers that a load balancer can tell from their absence, quick enough for a test."""
    return [
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={settings.controllers}",
        "--leader-elect=false",
        f"--service-account-private-key-file={certificates.service_accounts[1]}",
        f"--root-ca-file={certificates.authority}",
        "--use-service-account-credentials=true",
        f"--controllers={','.join(CONTROLLERS)}",
        f"--node-monitor-grace-period={NODE_GRACE_S}s",
        "--node-monitor-period=1s",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--concurrent-service-endpoint-syncs=10",
    ]


def _audit(directory: Path) -> list[str]:
    policy = directory / "audit-policy.yaml"
    policy.write_bytes(msgspec.json.encode(_AUDIT_POLICY))
    return [f"--audit-policy-file={policy}", f"--audit-log-path={directory / 'audit.log'}"]

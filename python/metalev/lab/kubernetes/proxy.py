"""kube-proxy on a node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from metalev.model.address import IPNetwork

Mode: TypeAlias = Literal["nftables", "iptables"]
MODES: tuple[Mode, ...] = ("nftables", "iptables")


def configuration(mode: Mode, node: str, kubeconfig: Path, cluster_cidrs: Sequence[IPNetwork]) -> str:
    """Its configuration file. JSON is YAML."""
    timings = {"minSyncPeriod": "100ms", "syncPeriod": "30s"}
    # Not to be set from a network namespace: they are the whole machine's.
    conntrack = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": mode,
            "hostnameOverride": node,
            "clusterCIDR": ",".join(map(str, cluster_cidrs)),
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "conntrack": conntrack,
            "nftables": timings,
            "iptables": timings,
        },
        indent=2,
    )

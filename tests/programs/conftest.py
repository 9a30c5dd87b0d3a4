"""A directory of manifests."""

from pathlib import Path

import pytest

WORLD = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: main, namespace: metallb-system}
spec: {addresses: [192.0.2.200-192.0.2.201]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: all, namespace: metallb-system}
---
apiVersion: v1
kind: Node
metadata: {name: node1}
status: {addresses: [{type: InternalIP, address: 192.0.2.10}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.1], nodeName: node1}]
ports: [{port: 80}]
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """One node, one pool of two addresses, one Service with an endpoint."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "world.yaml").write_text(WORLD)
    return folder

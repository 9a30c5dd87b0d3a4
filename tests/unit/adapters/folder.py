"""A folder of manifests and the clusters that were opened on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tests.contract.harness import FixedClock, Recorder, service_key

from metalev.adapters.files import FilesCluster
from metalev.model.services import Service

WEB = service_key("web")
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  type: LoadBalancer
  ports:
  - port: {port}
"""
POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: first}
spec: {addresses: [192.0.2.0/24]}
"""


def service(name: str = "web", port: object = 80) -> str:
    return SERVICE.format(name=name, port=port)


class Folder:
    """A folder of manifests whose clusters look only when they are told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: list[FilesCluster] = []

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def open(self, writer: str = "controller", **options: Any) -> tuple[FilesCluster, Recorder]:
        cluster, seen = FilesCluster(self.path, FixedClock(), writer=writer, **{"watch": False, **options}), Recorder()
        self._opened.append(cluster)
        cluster.start(seen)
        return cluster, seen

    def written(self, path: str) -> Any:
        return yaml.safe_load((self.path / ".metalev" / path).read_text())

    def close(self) -> None:
        for cluster in self._opened:
            cluster.stop()


def web(seen: Recorder) -> Service:
    return seen.get(Service, WEB)

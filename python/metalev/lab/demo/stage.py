"""What the demo's chapters have in common: what a user does to the cluster, and what is to be seen of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import unified_diff
from importlib.resources import files
from pathlib import Path

from metalev.lab.cluster import LabCluster
from metalev.lab.demo.narrator import Narrator
from metalev.lab.manifests import endpoint_slice
from metalev.lab.manifests import service as service_manifest
from metalev.lab.topology import socket_address
from metalev.model.address import Family, IPAddress
from metalev.model.meta import Name
from metalev.model.services import Service

REQUESTS = 12
HTTP = {"": 80}


class Stage:
    """The lab, its user and the audience."""

    def __init__(self, cluster: LabCluster, narrator: Narrator) -> None:
        self.cluster = cluster
        self.narrator = narrator
        self.client = cluster.lab.client
        self._dead: set[str] = set()

    # ===== what a user does =====

    def copy(self, file: str, *services: str, families: Sequence[Family] = (4,)) -> None:
        """Put a manifest of the demo into the directory, and the pods behind ``services``."""
        self.cluster.manifests.path(Path(file).stem).write_text(manifest(file))
        for service in services:
            for family in families:
                self._write_endpoints(service, family)

    def show_and_copy(self, file: str, *services: str, families: Sequence[Family] = (4,)) -> None:
        """The same for the audience to read."""
        self.narrator.show(f"$ cat {file}", manifest(file).splitlines())
        self.copy(file, *services, families=families)

    def expose(self, name: str) -> None:
        """A Service more, with an ``app`` number for a name and no pods behind it."""
        cluster_ip = f"10.96.1.{name.removeprefix('app')}"
        self.cluster.manifests.write(name, service_manifest(name, cluster_ip=cluster_ip, ports={"http": 80}))

    def edit(self, file: str, before: str, after: str) -> None:
        """Change one place of a manifest."""
        path = self.cluster.manifests.path(Path(file).stem)
        old = path.read_text()
        new = old.replace(before, after)
        path.write_text(new)
        _, _, *changes = unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
        self.narrator.show(f"$ git diff {file}", [line for line in changes if not line.startswith("@@")])

    def reschedule(self, *services: str, without: str) -> None:
        """What Kubernetes does some time after a node's death: its pods are no longer endpoints."""
        self._dead.add(without)
        for service in services:
            self._write_endpoints(service, family=4)

    def _write_endpoints(self, service: str, family: Family) -> None:
        living = [(node, pod) for node, pod in self.cluster.lab.topology.pods if node.name not in self._dead]
        document = endpoint_slice(service, living, ports=HTTP, family=family)
        self.cluster.manifests.write(f"{service}-endpoints-{family}", document)

    # ===== what is to be seen =====

    def services(self) -> list[Service]:
        """All of them, numbers in the order of numbers."""

        def in_order(service: Service) -> list[str | int]:
            return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", service.name.name)]

        return sorted(self.cluster.snapshot.services.values(), key=in_order)

    def service(self, name: str) -> Service:
        """One by its name; an empty one if it is not known yet."""
        return self.cluster.snapshot.services.get(Name("default", name)) or Service(Name("default", name))

    def ask(self, address: IPAddress) -> list[tuple[str, str]]:
        """Ask an address twelve times, each by a connection of its own: the pod and the node that answered."""
        answers = []
        url = f"http://{socket_address(address, 80)}/"
        for _ in range(REQUESTS):
            page = self.client.run(["curl", "--silent", "--fail", "--max-time", "5", url]).stdout
            said = dict(line.split(": ", 1) for line in page.splitlines())
            answers.append((said["Server name"], said["Node"]))
        return answers


def manifest(file: str) -> str:
    """A manifest of the demo, as its user wrote it."""
    return files("metalev.lab.demo").joinpath("manifests", file).read_text()


def tally(answers: list[tuple[str, str]]) -> list[str]:
    """How often which pod answered."""
    return [f"{answers.count(answer):2} answers by {answer[0]} on {answer[1]}" for answer in sorted(set(answers))]

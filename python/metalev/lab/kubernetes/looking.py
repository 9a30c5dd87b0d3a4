"""What is to be seen of a cluster on a lab, by kubectl, by metalev and on the wire."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from metalev.lab.host import Host, Node
from metalev.lab.kubernetes.api import Object
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.nodes import is_ready
from metalev.lab.lab import Lab
from metalev.lab.namespace import LabError
from metalev.model.address import IPAddress

POLL_S = 0.1


class Looking:
    """A cluster to look at."""

    lab: Lab
    plane: ControlPlane

    @property
    def client(self) -> Host:
        """The machine outside the cluster."""
        return self.lab.client

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes by name."""
        return self.lab.nodes

    def get(self, kind: str, name: str, namespace: str = "default") -> Object:
        """An object as the API has it, by kubectl."""
        return dict(json.loads(self.plane.kubectl("get", kind, name, "-n", namespace, "-o", "json")))

    def pods(self, selector: str, namespace: str = "default") -> list[Object]:
        """The Pods with these labels (``app=web``)."""
        found = self.plane.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json")
        return list(json.loads(found)["items"])

    def metalev(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``metalev status`` or ``why`` as the administrator; their exit status is for whoever calls."""
        argv = [sys.executable, "-m", "metalev", *arguments, f"--kubeconfig={self.plane.kubeconfig()}"]
        return self.plane.namespace.run(argv, check=False)

    def wait_for(self, what: str, condition: Callable[[], bool], timeout: float = 60) -> float:
        """Wait until ``condition`` holds; the seconds that took. :class:`LabError` naming ``what`` if it does not."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout:
                raise LabError(f"not within {timeout:g} s: {what}")
            threading.Event().wait(POLL_S)
        return time.monotonic() - began

    def wait_for_pods(self, selector: str, count: int, namespace: str = "default", timeout: float = 60) -> list[Object]:
        """Wait until exactly ``count`` Pods have these labels, and all are Ready."""
        found: list[Object] = []

        def ready() -> bool:
            found[:] = self.pods(selector, namespace)
            return len(found) == count and all(map(is_ready, found))

        self.wait_for(f"{count} Ready Pods with {selector} in {namespace}", ready, timeout)
        return found

    # ===== what is on the wire =====

    def announcers(self, address: IPAddress) -> list[Node]:
        """The nodes that answer for an address now, asked by the client."""
        return [self.lab.node_with(mac) for mac in self.client.who_has(address)]

    def wait_for_announcer(self, address: IPAddress, timeout: float = 60) -> Node:
        """Wait until exactly one node answers for an address."""
        found: list[Node] = []

        def one() -> bool:
            found[:] = self.announcers(address)
            return len(found) == 1

        self.wait_for(f"one node answers for {address}", one, timeout)
        return found[0]

    def wait_for_addresses(
        self, service: str, count: int = 1, *, namespace: str = "default", timeout: float = 60
    ) -> list[IPAddress]:
        """Wait until a Service's status has as many addresses."""
        found: list[IPAddress] = []

        def enough() -> bool:
            ingress = self.get("service", service, namespace)["status"]["loadBalancer"].get("ingress", ())
            found[:] = [ip_address(entry["ip"]) for entry in ingress]
            return len(found) == count

        self.wait_for(f"{service} has {count} addresses", enough, timeout)
        return found

    def reachable_at(self, address: IPAddress, node: str) -> None:
        """Let the client send to ``node`` for ``address``: what an announcer would do."""
        self.client.pin_neighbour(address, self.lab.node(node).mac)

"""An API server full of Services, and the real programs on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import cores

from metalev.adapters.kubernetes import Api
from metalev.adapters.kubernetes.api import MERGE, STRATEGIC, UNCHECKED
from metalev.adapters.kubernetes.connections import connections_of
from metalev.adapters.kubernetes.plain import find
from metalev.adapters.places import Source
from metalev.lab.kubernetes.controlplane import ControlPlane

ROOT = Path(__file__).parents[1]
NAMESPACE = "metallb-system"
POOL = "10.0.0.0/16"
CONNECTIONS = 8
PATIENCE_S = 600
METALLB = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}"
SERVICES = "/api/v1/namespaces/default/services"
_METALEV = (sys.executable, "-m", "metalev")
ONLY_OURS = {"fieldSelector": "spec.type=LoadBalancer"}
# A range of ClusterIPs that has room for 10,000.
WIDE = {"kube-apiserver": ["--service-cluster-ip-range=10.96.0.0/12,fd00:96::/108"]}


class Plane:
    """A control plane with metalev's resources and one pool; ``controller`` starts the program beside it."""

    def __init__(self, plane: ControlPlane, directory: Path) -> None:
        self.plane = plane
        source = Source(str(plane.kubeconfig()))
        self.api = Api(source, timeout=60)
        self._urllib3 = connections_of(find(source)).pool
        self._directory = directory
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        self._compiled_environment = _compiled(directory / "bytecode")
        plane.kubectl("apply", "-k", str(ROOT / "deploy"))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
        self.api.post(f"{METALLB}/ipaddresspools", _metallb("IPAddressPool"))
        self.api.post(f"{METALLB}/l2advertisements", _metallb("L2Advertisement"))

    def add_nodes(self, count: int) -> None:
        """Nodes as objects alone; nothing runs on them."""
        for number in range(1, count + 1):
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node{number}"}}
            self.api.post("/api/v1/nodes", node)

    def all_at_once(self, work: Callable[[int], object], count: int) -> float:
        """Do ``work(0)``... over eight connections; the seconds that it took."""
        began = time.perf_counter()
        for _ in self._pool.map(work, range(count)):
            pass
        return time.perf_counter() - began

    def create(self, index: int) -> None:
        """A Service of type LoadBalancer."""
        self.api.post(SERVICES, service(index))

    def delete(self, index: int) -> None:
        """And away with it."""
        self.api.delete(f"{SERVICES}/{_name(index)}")

    def write_raw(self, index: int) -> None:
        """What a controller writes at least: an address, by one patch."""
        self.api.patch(f"{SERVICES}/{_name(index)}/status", _address(index), STRATEGIC)

    def write_by_urllib3(self, index: int) -> None:
        """The same by a library that is made for everything, as the figures of MetalLB were compared."""
        path, headers = f"{SERVICES}/{_name(index)}/status", {"Content-Type": STRATEGIC}
        body = json.dumps(_address(index)).encode()
        answer = self._urllib3.urlopen("PATCH", path, body, headers, retries=False)
        assert answer.status == 200, answer.data

    def write_whole(self, index: int) -> None:
        """All that metalev's controller says in its one patch, also the pool, and as it asks for it."""
        body = _address(index) | {"metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": "bench"}}}
        self.api.patch(f"{SERVICES}/{_name(index)}/status", body, STRATEGIC, UNCHECKED)

    def clear(self, index: int) -> None:
        """Take what was written away again."""
        body = {
            "metadata": {"annotations": None},
            "status": {"loadBalancer": {"ingress": None}, "conditions": None},
        }
        self.api.patch(f"{SERVICES}/{_name(index)}/status", body, MERGE)

    @contextmanager
    def controller(self) -> Iterator[subprocess.Popen[bytes]]:
        """A controller, until the block ends."""
        command = [*_METALEV, "controller", "--kubeconfig", str(self.plane.kubeconfig())]
        with (self._directory / "controller.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--metrics-address", "127.0.0.1:0"], stderr=log, env=self._compiled_environment
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def until_addressed(self, count: int) -> float:
        """Watch until so many Services have an address; when the last one got it, by ``time.perf_counter``."""
        listed = json.loads(self.api.get(SERVICES, ONLY_OURS))
        have = {one["metadata"]["name"] for one in listed["items"] if _has_address(one)}
        version = listed["metadata"]["resourceVersion"]
        while len(have) < count:
            query = {**ONLY_OURS, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(PATIENCE_S)}
            with self.api.lines(SERVICES, query, PATIENCE_S) as lines:
                for line in lines:
                    event = json.loads(line)
                    version = event["object"]["metadata"]["resourceVersion"]
                    if _has_address(event["object"]):
                        have.add(event["object"]["metadata"]["name"])
                    if len(have) >= count:
                        break
        return time.perf_counter()

    def pool_is_counted(self) -> bool:
        """Whether a controller has written how many addresses the pool has: it is at work then."""
        return bool(json.loads(self.api.get(f"{METALLB}/ipaddresspools/bench")).get("status"))

    def cpu_seconds(self) -> float:
        """The CPU time that etcd, the API server and this process have used so far."""
        servers = (self.plane.etcd.process.pid, self.plane.apiserver.process.pid)
        return sum(map(cores.cpu_seconds, servers)) + time.process_time()

    def writes(self) -> Mapping[str, int]:
        """How many requests of each kind the server has answered: ``PATCH services/status``."""
        text = self.api.get("/metrics").decode()
        found: dict[str, int] = {}
        for labels, number in re.findall(r"^apiserver_request_total\{(.*)\} (\d+)", text, re.MULTILINE):
            of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            what = f"{of['verb']} {of['resource']}{'/' if of['subresource'] else ''}{of['subresource']}"
            found[what] = found.get(what, 0) + int(number)
        return found

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)

    def settle(self) -> None:
        """Wait until nobody writes any more, but for a lease now and then."""
        still = [self.writes()]

        def calm() -> bool:
            threading.Event().wait(1)
            still.append(self.writes())
            before, now = ({what: n for what, n in one.items() if _is_news(what)} for one in still[-2:])
            return before == now

        self.wait_for(calm)

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.shutdown()
        self._urllib3.close()
        self.api.stop()


@contextmanager
def api_server(directory: Path) -> Iterator[Plane]:
    """A control plane on loopback, without controllers of its own."""
    with ControlPlane(directory, options=WIDE) as made:
        plane = Plane(made, directory)
        try:
            yield plane
        finally:
            plane.close()


def service(index: int) -> dict[str, Any]:
    """A Service without node ports, of which there are too few for thousands."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _name(index), "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": False,
            "ports": [{"port": 80}],
            "selector": {"app": "web"},
        },
    }


def _compiled(directory: Path) -> Mapping[str, str]:
    """An environment in which a program finds its Python compiled, as pip leaves it in an image."""
    writing = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = writing | {"PYTHONPYCACHEPREFIX": str(directory)}
    subprocess.run([*_METALEV, "controller", "--help"], env=found, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-c", "import metalev.controller.main"], env=found, check=True)
    return found


def _is_news(what: str) -> bool:
    return what.startswith(("POST", "PATCH", "PUT", "DELETE")) and "leases" not in what


def _name(index: int) -> str:
    return f"app-{index:05}"


def _ip(index: int) -> str:
    return f"10.0.{index // 256}.{index % 256}"


def _address(index: int) -> dict[str, Any]:
    return {"status": {"loadBalancer": {"ingress": [{"ip": _ip(index)}]}}}


def _has_address(found: Mapping[str, Any]) -> bool:
    return bool(found.get("status", {}).get("loadBalancer", {}).get("ingress"))


def _metallb(kind: str) -> dict[str, Any]:
    spec = {"addresses": [POOL]} if kind == "IPAddressPool" else {}
    metadata = {"name": "bench", "namespace": NAMESPACE}
    return {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}

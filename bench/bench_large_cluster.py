"""A speaker in a large cluster: 100 Nodes, 10,000 Services, 30,000 endpoints on a real API server.

Method. The control plane is a host of a lab, the speaker runs on node1, with an administrator's kubeconfig; the other
99 Nodes are objects alone, so the speaker hears nobody. It may announce a hundredth of the Services, as one of 100
nodes does; the others' groups are in its table, too. When it has taken its share and come to rest, its memory is read.
Then endpoints of Services that it announces become unready and ready again, one after the other, and its CPU time is
divided by their number: what one change costs a speaker, from the watch to the engine.

What limits. Objects that a real cluster has beside these (managedFields of many writers, annotations) are decoded and
left behind, but cost time.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench import cores
from bench.apiserver import NAMESPACE, WIDE, Plane
from bench.installation import resident
from bench.report import Benchmark

from metalev.adapters.kubernetes.api import MERGE
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.lab import Lab
from metalev.lab.topology import home_network

MIB = 1 << 20
SERVICES, NODES, SHARE = 10_000, 100, 100
CHANGES = 50
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
L2_ADVERTISEMENTS = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/l2advertisements"


@pytest.mark.benchmark(group="a speaker among 100 nodes and 10,000 Services")
def test_speaker_in_a_large_cluster(benchmark: Benchmark, tmp_path: Path, tell: Callable[[str], None]) -> None:
    with Lab(home_network(nodes=1, pods_per_node=1, control_plane=True), serve_pods=False) as lab:
        host = lab.topology.control_plane
        assert host is not None
        at_home = ControlPlane(
            tmp_path,
            namespace=lab.namespace_of(host.name),
            address=str(host.address),
            environment=lab.environment,
            options=WIDE,
        )
        with at_home as made:
            plane = lab.namespace_of(host.name).call(lambda: _filled(made, tmp_path))
            config = str(made.kubeconfig())
            argv = [sys.executable, "-m", "metalev", "speaker", "--kubeconfig", config, "--node-name", "node1"]
            key = tmp_path / "key"
            key.write_text("0" * 64)
            speaker = lab.node("node1").spawn([*argv, "--key-file", str(key)], log=tmp_path / "speaker.log")
            speaker.wait_for("new table for the engine", timeout=120)
            _rest(speaker.pid)
            memory = resident(speaker.pid)[0]
            before = cores.cpu_seconds(speaker.pid)
            for number in range(CHANGES):
                _flip(plane, number % SHARE * (SERVICES // SHARE), ready=number % 2 == 1)
            _rest(speaker.pid)
            each = (cores.cpu_seconds(speaker.pid) - before) / CHANGES
            plane.close()
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(memory=memory, cpu_per_change=each)
    tell(f"{memory / MIB:.0f} MiB; one change of endpoints: {each * 1e3:.1f} ms of CPU")


def _filled(made: ControlPlane, directory: Path) -> Plane:
    """The API server with everything in it; its client's connections stay in the network where they were made."""
    plane = Plane(made, directory)
    plane.api.delete(f"{L2_ADVERTISEMENTS}/bench")
    for name, share, nodes in (("ours", "In", "Exists"), ("others", "NotIn", "DoesNotExist")):
        spec = {
            "serviceSelectors": [_expression("share", share, ["0"])],
            "nodeSelectors": [_expression("first", nodes, [])] if nodes == "DoesNotExist" else [],
        }
        plane.api.post(L2_ADVERTISEMENTS, _object("metallb.io/v1beta1", "L2Advertisement", name, spec, NAMESPACE))
    plane.all_at_once(lambda index: plane.api.post("/api/v1/nodes", _node(index + 1)), NODES)
    plane.all_at_once(plane.create, SERVICES)
    plane.all_at_once(lambda index: _label(plane, index), SERVICES)
    plane.all_at_once(plane.write_raw, SERVICES)
    plane.all_at_once(lambda index: plane.api.post(SLICES, _slice(index)), SERVICES)
    return plane


def _rest(pid: int) -> None:
    """Wait until a second goes by in which the process uses next to nothing."""
    while True:
        before = cores.cpu_seconds(pid)
        threading.Event().wait(1)
        if cores.cpu_seconds(pid) - before <= 0.02:
            return


def _flip(plane: Plane, index: int, *, ready: bool) -> None:
    body = {"endpoints": [_endpoint(index, number, ready=ready) for number in range(3)]}
    plane.api.patch(f"{SLICES}/app-{index:05}", body, MERGE)


def _label(plane: Plane, index: int) -> None:
    share = str(index % (SERVICES // SHARE))
    plane.api.patch(
        f"/api/v1/namespaces/default/services/app-{index:05}", {"metadata": {"labels": {"share": share}}}, MERGE
    )


def _expression(key: str, operator: str, values: list[str]) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator} | ({"values": values} if values else {})]}


def _node(number: int) -> dict[str, Any]:
    labels = {"first": ""} if number == 1 else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node{number}", "labels": labels}}


def _slice(index: int) -> dict[str, Any]:
    name = f"app-{index:05}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [_endpoint(index, number, ready=True) for number in range(3)],
    }


def _endpoint(index: int, number: int, *, ready: bool) -> dict[str, Any]:
    return {
        "addresses": [f"10.{200 + number}.{index // 250}.{index % 250 + 1}"],
        "nodeName": f"node{(index + number) % NODES + 1}",
        "conditions": {"ready": ready, "serving": ready},
    }


def _object(version: str, kind: str, name: str, spec: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }

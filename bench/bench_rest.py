"""What a speaker keeps in memory and uses of a core on a real API server, while nothing happens, with and without VIPs.

Method. The control plane is a host of a lab of three nodes and a client; the controller runs beside it, a speaker on
each node, all with an administrator's kubeconfig, and ready endpoints are written by hand: no kubelet and no kube-proxy
is there to make changes, and nobody probes. With 1,000 Services each node announces about a third of them; each
speaker has all of them in its table, and sends beacons at its short interval to both others, as in any cluster. When
all are announced and ten seconds went by with less than a hundredth of a core, thirty seconds begin; the CPU time is
that of these, of the speaker that used most, and VmRSS is read after them.

What limits. A beacon costs its sender what the receiver's kernel does with it, too, for here it is one kernel and no
cable: about a sixth of what is measured with Services. MetalLB's published figures (62 and 91 MiB, 0.35 % of a core
without Services) are of another machine. A real cluster's kubelets write their Nodes every few minutes and ask for
probes every ten seconds, which comes on top; ``bench_cluster.py`` has such ones. The addresses are in no subnet of the
nodes, which makes no difference here.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench import cores
from bench.apiserver import NAMESPACE, WIDE, Plane
from bench.installation import resident
from bench.report import Benchmark

from metalev.adapters.kubernetes.api import STRATEGIC
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.nodes import node_object, node_status
from metalev.lab.lab import Lab
from metalev.lab.process import Process
from metalev.lab.topology import home_network

MIB = 1 << 20
IDLE_SECONDS = 30
PATIENCE_S = 300
CALM = 0.01
CALM_S = 10
METALLB = {0: "62 MiB, 0.35 %", 1_000: "91 MiB"}
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
STATES = "/apis/metalev.io/v1alpha1/speakerstates"


@pytest.mark.benchmark(group="a speaker at rest on a real API server")
@pytest.mark.parametrize("services", [0, 1_000])
def test_a_speaker_at_rest(benchmark: Benchmark, services: int, tmp_path: Path, tell: Callable[[str], None]) -> None:
    with _speakers(tmp_path, services) as speakers:
        pids = [speaker.pid for speaker in speakers.values()]
        _rest(pids)
        before = [cores.threads_seconds(pid) for pid in pids]
        threading.Event().wait(IDLE_SECONDS)  # there is nothing to wait for but time
        idle = max(cores.threads_seconds(pid) - used for pid, used in zip(pids, before, strict=True)) / IDLE_SECONDS
        memory = max(resident(pid)[0] for pid in pids)
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(memory=memory, idle=idle)
    tell(
        f"a speaker, {services:,} Services announced by three: {memory / MIB:.0f} MiB, idle {idle:.2%} of a core; "
        f"MetalLB, on another machine: {METALLB[services]}"
    )


@contextmanager
def _speakers(directory: Path, services: int) -> Iterator[Mapping[str, Process]]:
    """A speaker on each node, once all that there is to announce is announced."""
    topology = home_network(pods_per_node=1, control_plane=True)
    host = topology.control_plane
    assert host is not None
    with Lab(topology, serve_pods=False) as lab:
        there = lab.namespace_of(host.name)
        at_home = ControlPlane(
            directory, namespace=there, address=str(host.address), environment=lab.environment, options=WIDE
        )
        with at_home as made:
            plane = there.call(lambda: _filled(made, directory, lab, services))
            command = [sys.executable, "-m", "metalev"]
            config = ["--kubeconfig", str(made.kubeconfig()), "--metrics-address", "127.0.0.1:0"]
            log = directory / "controller.log"
            controller = Process.start(there, [*command, "controller", *config], env=lab.environment, log=log)
            speakers = {
                name: node.spawn([*command, "speaker", *config, "--node-name", name], log=directory / f"{name}.log")
                for name, node in lab.nodes.items()
            }
            try:
                plane.wait_for(lambda: there.call(lambda: _announced(plane)) == services)
                yield speakers
            finally:
                for process in (*speakers.values(), controller):
                    process.terminate(30)
                plane.close()


def _filled(made: ControlPlane, directory: Path, lab: Lab, services: int) -> Plane:
    """Nodes, Services and endpoints; its client's connections stay in the network where they were made."""
    plane = Plane(made, directory)
    plane.api.get(f"/api/v1/namespaces/{NAMESPACE}")
    for spec in lab.topology.nodes:
        plane.api.post("/api/v1/nodes", node_object(spec))
        plane.api.patch(f"/api/v1/nodes/{spec.name}/status", node_status(spec, "v1.36.3"), STRATEGIC)
    plane.all_at_once(plane.create, services)
    plane.all_at_once(lambda index: plane.api.post(SLICES, _slice(index)), services)
    return plane


def _slice(index: int) -> dict[str, object]:
    name = f"app-{index:05}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": ["10.244.1.2"], "nodeName": "node1", "conditions": {"ready": True}}],
    }


def _announced(plane: Plane) -> int:
    """How many addresses the speakers say that they announce; -1 until each says something."""
    states = [one.get("status", {}) for one in json.loads(plane.api.get(STATES))["items"]]
    if len(states) < 3:
        return -1
    return sum(len(one["addresses"]) for state in states for one in state.get("holdings", ()))


def _rest(pids: list[int]) -> None:
    """Wait until ten seconds go by in which none uses more than what being there takes."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        before = [cores.threads_seconds(pid) for pid in pids]
        threading.Event().wait(CALM_S)
        if all(cores.threads_seconds(pid) - used <= CALM * CALM_S for pid, used in zip(pids, before, strict=True)):
            return

"""A Kubernetes cluster on a lab: a control plane on a machine of its own, kubelets, and real kube-proxies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from metalev.lab.kubernetes import kubeconfig
from metalev.lab.kubernetes.api import Object
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.faultproxy import FaultProxy
from metalev.lab.kubernetes.images import Image, metalev
from metalev.lab.kubernetes.kubeconfig import KUBE_PROXY, SCHEDULER
from metalev.lab.kubernetes.kubelet import Kubelet
from metalev.lab.kubernetes.looking import Looking
from metalev.lab.kubernetes.nodes import is_ready
from metalev.lab.kubernetes.pod import RunningPod
from metalev.lab.kubernetes.proxy import Mode, configuration
from metalev.lab.kubernetes.scheduler import Scheduler
from metalev.lab.lab import Lab
from metalev.lab.namespace import LabError, Namespace
from metalev.lab.process import Process
from metalev.lab.topology import NodeSpec, home_network

READY_TIMEOUT_S = 120
METALEV: Mapping[str, Image] = {"metalev": metalev}
MANIFESTS = Path(__file__).parents[4] / "deploy"
SYSTEM = "metallb-system"
FAULTY_PORT = 6444


class KubernetesLab(Looking):
    """A lab with Kubernetes installed, for as long as the ``with`` block runs. All its files lie in ``directory``.

    Each node has room for ``pods_per_node`` Pods in networks of their own. ``images`` says which programs stand for
    which images; all other Pods are the lab's web server. With ``faulty_api``, Pods reach the API by :attr:`faults`,
    and its etcd can be slowed down.
    """

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 3,
        pods_per_node: int = 6,
        ipv6: bool = True,
        mode: Mode = "nftables",
        audit: bool = False,
        faulty_api: bool = False,
        images: Mapping[str, Image] = METALEV,
    ) -> None:
        self.topology = home_network(nodes, pods_per_node, ipv6=ipv6, control_plane=True)
        self.lab = Lab(self.topology, serve_pods=False)
        self.mode = mode
        self._audit = audit
        self._with_faulty_api = faulty_api
        self._faulty_api: FaultProxy | None = None
        self.directory = directory
        self._images = images
        self._kubelets: dict[str, Kubelet] = {}
        self._proxies: dict[str, Process] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.lab)
            self.plane = stack.enter_context(self._control_plane())
            self.version = str(json.loads(self.plane.kubectl("get", "--raw", "/version"))["gitVersion"])
            if self._with_faulty_api:
                self._faulty_api = stack.enter_context(self._fault_proxy())
                self.plane.kubectl("apply", "-f", "-", stdin=json.dumps(_endpoint(self.plane.address, FAULTY_PORT)))
            stack.callback(self._stop_kubelets)
            self._scheduler = Scheduler(partial(self.plane.client, SCHEDULER))
            self._scheduler.start()
            stack.callback(self._scheduler.stop)
            for node in self.lab.nodes:
                self._start_kubelet(node)
            # kube-proxy gives up soon on a node that it does not find.
            self.wait_for("every node registers", lambda: len(self._scheduler.nodes.objects) == len(self.lab.nodes))
            for node in self.lab.nodes:
                self.start_proxy(node)
            self.wait_for("every node is Ready", lambda: all(map(self.is_ready, self.lab.nodes)), READY_TIMEOUT_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # ===== what is =====

    @property
    def faults(self) -> FaultProxy:
        """The way by which the programs in Pods reach the API; kubelets, kube-proxies and kubectl have another."""
        assert self._faulty_api is not None, "KubernetesLab(..., faulty_api=True) has such a way"
        return self._faulty_api

    def node_object(self, name: str) -> Object:
        """A Node as the API has it, by a watch: at once, and at no cost."""
        return self._scheduler.nodes.objects.get(("", name)) or {"metadata": {}, "spec": {}}

    def is_ready(self, node: str) -> bool:
        """Whether the API has the node as Ready, without a taint that says otherwise."""
        found = self.node_object(node)
        return is_ready(found) and not found["spec"].get("taints")

    def process(self, pod: str, namespace: str = "default") -> Process:
        """The program that runs in a Pod, with its log."""
        process = self._running(namespace, pod).process
        if process is None:
            raise LabError(f"no program runs in Pod {namespace}/{pod}")
        return process

    def slot(self, pod: str, namespace: str = "default") -> Namespace:
        """The network that a Pod is in."""
        return self._running(namespace, pod).namespace

    def _running(self, namespace: str, pod: str) -> RunningPod:
        running = self._all_running().get((namespace, pod))
        if running is None:
            raise LabError(f"no Pod {namespace}/{pod} runs on any node")
        return running

    def _all_running(self) -> dict[tuple[str, str], RunningPod]:
        return {key: running for kubelet in self._kubelets.values() for key, running in dict(kubelet.running).items()}

    def proxy(self, node: str) -> Process:
        """A node's kube-proxy."""
        return self._proxies[node]

    # ===== metalev =====

    def install(self, manifests: Path = MANIFESTS) -> list[str]:
        """``kubectl apply -k deploy``, and wait until every Pod of it is Ready; a line per object."""
        lines = self.plane.kubectl("apply", "-k", str(manifests)).splitlines()
        for workload in ("deployment/controller", "daemonset/speaker"):
            self.plane.kubectl("rollout", "status", "-n", SYSTEM, workload, "--timeout=120s", timeout=150)
        return lines

    def programs(self, component: str) -> dict[str, Process]:
        """Those programs of metalev (``controller``, ``speaker``) that run now, by their node."""
        found = self.pods(f"app=metallb,component={component}", SYSTEM)
        running = [pod for pod in found if (SYSTEM, pod["metadata"]["name"]) in self._all_running()]
        return {pod["spec"]["nodeName"]: self.process(pod["metadata"]["name"], SYSTEM) for pod in running}

    # ===== what can happen to a node =====

    def kill(self, node: str) -> None:
        """A power cut: nothing leaves it any more, and all that ran on it is gone."""
        kubelet = self._kubelets.pop(node, None)
        if kubelet is not None:
            kubelet.halt()
            self.lab.node(node).kill()
            kubelet.stop()

    def revive(self, node: str) -> None:
        """Power is back: its kubelet and kube-proxy start, and the Pods that are still bound to it."""
        if node not in self._kubelets:
            self.lab.node(node).revive()
            self._start_kubelet(node)
            self.start_proxy(node)

    def pause(self, node: str) -> None:
        """Freeze everything on it; its kernel goes on."""
        self._kubelets[node].pause()
        self.lab.node(node).pause()

    def resume(self, node: str) -> None:
        """Let it go on."""
        self.lab.node(node).resume()
        self._kubelets[node].resume()

    # ===== how it is made =====

    def _control_plane(self) -> ControlPlane:
        host = self.topology.control_plane
        assert host is not None
        return ControlPlane(
            self.directory / "control-plane",
            namespace=self.lab.namespace_of(host.name),
            address=str(host.address),
            environment=self.lab.environment,
            controller_manager=True,
            audit=self._audit,
            slow_etcd=self._with_faulty_api,
            options={"kube-apiserver": ["--endpoint-reconciler-type=none"]} if self._with_faulty_api else {},
        )

    def _fault_proxy(self) -> FaultProxy:
        """Beside the API server; who comes by it proves who he is by a token, as Pods do."""
        return FaultProxy(
            self.plane.server,
            authority=self.plane.authority,
            serving=self.plane.server_certificate,
            host=self.plane.address,
            port=FAULTY_PORT,
            network=self.plane.namespace,
        )

    def _start_kubelet(self, name: str) -> None:
        spec = next(node for node in self.topology.nodes if node.name == name)
        node = self.lab.node(name)
        self._kubelets[name] = kubelet = Kubelet(
            node,
            spec,
            {pod: self.lab.namespace_of(pod.name) for pod in spec.pods},
            partial(self.plane.client, kubeconfig.node(name), node.namespace),
            authority=self.plane.authority,
            certificate=self.plane.server_certificate,
            directory=self.directory / "pods",
            programs=self._images,
            environment=self.lab.environment,
            version=self.version,
        )
        kubelet.start()

    def _stop_kubelets(self) -> None:
        for kubelet in self._kubelets.values():
            kubelet.halt()
        for node in self.lab.nodes.values():
            for process in tuple(node.processes):
                process.kill()
        with ThreadPoolExecutor() as threads:  # each waits for its own
            list(threads.map(Kubelet.stop, self._kubelets.values()))

    def start_proxy(self, name: str) -> None:
        """Start a node's kube-proxy, which must not run."""
        node: NodeSpec = next(node for node in self.topology.nodes if node.name == name)
        folder = self.directory / "kube-proxy"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.yaml"
        file.write_text(configuration(self.mode, name, self.plane.kubeconfig(KUBE_PROXY), self.topology.cluster_cidrs))
        argv = [str(self.plane.binaries / "kube-proxy"), f"--config={file}"]
        self._proxies[name] = self.lab.node(node.name).spawn(argv, env={"GOMAXPROCS": "1"}, log=folder / f"{name}.log")


def _endpoint(address: str, port: int) -> Object:
    """What the API server would write of itself: where the Service ``kubernetes`` leads."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }

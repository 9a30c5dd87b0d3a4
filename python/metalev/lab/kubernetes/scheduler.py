"""A small rule in the scheduler's place: a Pod that fits on several nodes goes to the one with fewest Pods.

A node has room for as many Pods with networks of their own as it has prepared; one on the node's network always fits.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from metalev.lab.kubernetes.api import STRATEGIC_PATCH, Api, ApiError, Object, Reflector
from metalev.lab.kubernetes.due import Due
from metalev.lab.kubernetes.nodes import is_ready

RETRY_S = 0.5


class Scheduler:
    """A thread that binds Pods to nodes."""

    def __init__(self, connect: Callable[[], Api]) -> None:
        self._api = connect()
        self._due = Due()
        self.pods = Reflector(connect(), "/api/v1/pods", self._due.add)
        self.nodes = Reflector(connect(), "/api/v1/nodes", lambda _: None)
        self._thread = threading.Thread(target=self._run, name="lab-scheduler", daemon=True)

    def start(self) -> None:
        """Start binding."""
        self.nodes.start()
        self.pods.start()
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._due.close()
        self._api.interrupt()
        self._thread.join()
        self._api.close()
        self.pods.stop()
        self.nodes.stop()

    def _run(self) -> None:
        while (key := self._due.take()) is not None:
            pod = self.pods.objects.get(key)
            if pod is None or pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
                continue
            node = choose(pod, list(self.nodes.objects.values()), list(self.pods.objects.values()))
            try:
                if node is not None:
                    self._bind(pod, node)
                else:
                    self._due.add(key, RETRY_S)
                    self._explain(pod)
            except (OSError, http.client.HTTPException):
                self._due.add(key, RETRY_S)

    def _bind(self, pod: Object, node: str) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        with suppress(ApiError):  # it is gone or bound meanwhile, and the watch tells
            self._api.create(f"/api/v1/namespaces/{namespace}/pods/{name}/binding", binding)
        pod["spec"]["nodeName"] = node  # counted at once, not when the watch tells

    def _explain(self, pod: Object) -> None:
        """Say on the Pod that it waits, once."""
        waits = any(entry["type"] == "PodScheduled" for entry in pod.get("status", {}).get("conditions", ()))
        if waits:
            return
        message = f"0/{len(self.nodes.objects)} nodes are available: not Ready, tainted, not selected, or full"
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
        with suppress(ApiError):
            self._api.patch(path, {"status": {"conditions": [condition]}}, STRATEGIC_PATCH)


def choose(pod: Object, nodes: Iterable[Object], pods: Iterable[Object]) -> str | None:
    """The node for a Pod; None if it fits on none."""
    others = list(pods)
    load = Counter(other["spec"].get("nodeName") for other in others)
    inside = Counter(other["spec"].get("nodeName") for other in others if not other["spec"].get("hostNetwork"))

    def has_room(node: Object) -> bool:
        room = int(node.get("status", {}).get("allocatable", {}).get("pods", 0))
        return bool(pod["spec"].get("hostNetwork")) or inside[node["metadata"]["name"]] < room

    names = [node["metadata"]["name"] for node in list(nodes) if fits(pod, node) and has_room(node)]
    return min(names, key=lambda name: (load[name], name), default=None)


def fits(pod: Object, node: Object) -> bool:
    """By readiness, taints, selector and the affinity that a DaemonSet gives its Pods.

    A DaemonSet's Pod belongs to one node, and tolerates that the node is not ready.
    """
    spec, name, labels = pod["spec"], node["metadata"]["name"], node["metadata"].get("labels", {})
    wanted = _wanted_names(spec)
    if wanted is not None:
        return name in wanted and _tolerates(spec, node)
    selector = spec.get("nodeSelector", {})
    unschedulable = node["spec"].get("unschedulable", False)
    selected = selector.items() <= labels.items()
    return is_ready(node) and not unschedulable and selected and _tolerates(spec, node)


def _wanted_names(spec: Object) -> list[str] | None:
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", ())
    fields = [match for term in terms for match in term.get("matchFields", ()) if match["key"] == "metadata.name"]
    return [name for match in fields for name in match["values"]] if fields else None


def _tolerates(spec: Object, node: Object) -> bool:
    taints = [taint for taint in node["spec"].get("taints", ()) if taint["effect"] in {"NoSchedule", "NoExecute"}]
    return all(any(_covers(toleration, taint) for toleration in spec.get("tolerations", ())) for taint in taints)


def _covers(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in {None, "", taint["key"]}
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))

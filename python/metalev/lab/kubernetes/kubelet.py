"""A small stand-in for a node's kubelet: it registers the node, says that it lives, and runs the Pods bound to it.

It talks to the API from its node's network and as its node's user, so that a cut cable silences it and the Node
authorizer judges it. A Pod is one of the node's network namespaces with a server in it; a Pod with ``hostNetwork`` is a
program on the node itself. Of a Pod's fields it honours: the first container's image, command, args, env, ports, HTTP
readiness probe and ``preStop.sleep``; ``hostNetwork``, the ServiceAccount and the grace period. It has no volumes.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from metalev.lab.host import Node
from metalev.lab.kubernetes import images
from metalev.lab.kubernetes.account import Account
from metalev.lab.kubernetes.api import STRATEGIC_PATCH, Api, ApiError, Object, Reflector
from metalev.lab.kubernetes.due import Due, Key
from metalev.lab.kubernetes.images import Image, image_of
from metalev.lab.kubernetes.logs import LogServer
from metalev.lab.kubernetes.nodes import LEASE_NAMESPACE, lease, node_object, node_status, now
from metalev.lab.kubernetes.pod import RunningPod, container_of, status_patch
from metalev.lab.kubernetes.probe import answers
from metalev.lab.namespace import LabError, Namespace
from metalev.lab.topology import NodeSpec, PodSpec

HEARTBEAT_S = 2
STATUS_S = 10
PROBE_S = 0.5
WATCH_PROCESS_S = 0.25  # how soon the end of a process is noticed
RESTART_S = 1
RETRY_S = 0.5
_HEARTBEAT: Key = ("", "")  # no Pod has this name


class Kubelet:
    """Two threads: one watches the node's Pods, one does what is to be done."""

    def __init__(
        self,
        node: Node,
        spec: NodeSpec,
        places: Mapping[PodSpec, Namespace],
        connect: Callable[[], Api],
        *,
        authority: Path,
        certificate: tuple[Path, Path],
        directory: Path,
        programs: Mapping[str, Image],
        environment: Mapping[str, str],
        version: str,
    ) -> None:
        self._node, self._spec, self._version = node, spec, version
        self._places = places
        self._free = deque(places)
        self._authority = authority
        self._certificate = certificate
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._programs = programs
        self._environment = environment
        self._api = connect()
        self._due = Due()
        self.pods = Reflector(connect(), f"/api/v1/pods?fieldSelector=spec.nodeName%3D{spec.name}", self._due.add)
        self.running: dict[Key, RunningPod] = {}
        self._registered: Object | None = None
        self._status_due = 0.0
        self._awake = threading.Event()
        self._awake.set()
        self._halted = False
        self._said = ""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"lab-kubelet-{spec.name}", daemon=True)

    def start(self) -> None:
        """Register the node, and run its Pods from now on."""
        self._logs = LogServer(
            self._node.namespace, self._log_of, certificate=self._certificate, authority=self._authority
        )
        self.pods.start(wait=False)
        self._thread.start()

    def halt(self) -> None:
        """Start nothing more, at once. What runs is the caller's to end."""
        with self._lock:
            self._halted = True

    def stop(self) -> None:
        """End its threads; its Pods' processes stay."""
        self.halt()
        self._awake.set()
        self._due.close()
        self._api.interrupt()
        self._thread.join()
        self._api.close()
        self._logs.stop()
        self.pods.stop()

    def pause(self) -> None:
        """Fall silent: no heartbeat, no probe."""
        self._awake.clear()

    def resume(self) -> None:
        """Go on."""
        self._awake.set()

    # ===== one thing after the other =====

    def _run(self) -> None:
        self._due.add(_HEARTBEAT)
        while (key := self._due.take()) is not None:
            self._awake.wait()
            try:
                if key == _HEARTBEAT:
                    self._due.add(_HEARTBEAT, HEARTBEAT_S)
                    self._beat()
                else:
                    self._sync(key)
            except (OSError, http.client.HTTPException, LabError) as error:
                self._say(f"{'/'.join(key) if key != _HEARTBEAT else 'heartbeat'}: {error}")
                self._due.add(key, RETRY_S)

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            with (self._directory / f"kubelet-{self._spec.name}.log").open("a") as log:
                print(now(), text, file=log)

    def _beat(self) -> None:
        """Renew the Lease, and now and then the Node's status."""
        name = self._spec.name
        path = f"/api/v1/nodes/{name}"
        if self._registered is None:
            self._registered = _existing_or_new(self._api, "/api/v1/nodes", node_object(self._spec))
        if time.monotonic() >= self._status_due:
            self._api.patch(f"{path}/status", node_status(self._spec, self._version), STRATEGIC_PATCH)
            self._status_due = time.monotonic() + STATUS_S
        renewed = lease(self._registered)
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{LEASE_NAMESPACE}/leases"
        try:
            self._api.patch(f"{leases}/{name}", {"spec": renewed["spec"]})
        except ApiError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise
            self._api.create(leases, renewed)

    def _sync(self, key: Key) -> None:
        """Bring one Pod to where it should be."""
        pod, running = self.pods.objects.get(key), self.running.get(key)
        if running is not None and (pod is None or pod["metadata"]["uid"] != running.uid):
            self._free_place(key, running)
        if pod is None or pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
            return
        if pod["metadata"].get("deletionTimestamp"):
            self._terminate(key, pod)
        else:
            self._keep_running(key, pod)

    def _keep_running(self, key: Key, pod: Object) -> None:
        running = self.running.get(key) or self._place(key, pod)
        if running is None:
            self._due.add(key, RETRY_S)  # no place is free
            return
        if running.process is None or not running.process.running:
            self._start(key, pod, running)
        if running.account is not None:
            running.account.renew(self._api, pod)
        if (probe := container_of(pod).get("readinessProbe")) is not None:
            running.answers = answers(probe, pod, running, self._node.namespace)
            self._due.add(key, PROBE_S)
        if (patch := status_patch(pod, running, self._spec.addresses)) is not None:
            self._api.patch(f"{_path(pod)}/status", patch, STRATEGIC_PATCH)
        self._due.add(key, WATCH_PROCESS_S)

    def _terminate(self, key: Key, pod: Object) -> None:
        running = self.running.get(key)
        if running is not None and running.process is not None and running.process.running:
            running.end(pod)
            self._due.add(key, WATCH_PROCESS_S)
            return
        if running is not None:
            self._free_place(key, running)
        try:
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
            self._api.delete(_path(pod), options)
        except ApiError as error:
            if error.status not in {http.HTTPStatus.NOT_FOUND, http.HTTPStatus.CONFLICT}:
                raise

    # ===== places and processes =====

    def _place(self, key: Key, pod: Object) -> RunningPod | None:
        uid = pod["metadata"]["uid"]
        if pod["spec"].get("hostNetwork"):
            running = RunningPod(uid, None, self._node.namespace, self._spec.addresses)
        elif self._free:
            slot = self._free.popleft()  # the one that was free the longest
            running = RunningPod(uid, slot, self._places[slot], slot.addresses)
        else:
            return None
        self.running[key] = running
        return running

    def _free_place(self, key: Key, running: RunningPod) -> None:
        if running.process is not None:
            running.process.kill()
            with suppress(ValueError):  # a power cut takes them, too
                self._node.processes.remove(running.process)
        if running.slot is not None:
            self._free.append(running.slot)
        del self.running[key]

    def _start(self, key: Key, pod: Object, running: RunningPod) -> None:
        program = image_of(pod, self._programs)
        if program is None and running.slot is None:
            return  # somebody's program on the node itself: nothing of it is to be seen here
        if running.process is not None:
            running.restarts += 1
            with suppress(ValueError):  # a power cut takes them, too
                self._node.processes.remove(running.process)
        folder = self._folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        if program is None:
            start = partial(images.serve, pod, running, self._node.name)
        else:
            running.account = running.account or Account(folder / "serviceaccount", self._authority, key[0])
            running.account.renew(self._api, pod)
            launch = images.launch_of(pod, running, self._api)
            start = partial(images.run, program, launch, running.account.folder, running.namespace)
        with self._lock:
            if not self._halted:
                running.process = start(log=folder / "log", marks=self._environment)
                self._node.processes.append(running.process)

    def _folder(self, key: Key) -> Path:
        return self._directory / f"{key[0]}-{key[1]}"

    def _log_of(self, namespace: str, pod: str) -> Path | None:
        log = self._folder((namespace, pod)) / "log"
        return log if (namespace, pod) in self.running and log.exists() else None


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _existing_or_new(api: Api, collection: str, item: Object) -> Object:
    try:
        return api.create(collection, item)
    except ApiError as error:
        if error.status != http.HTTPStatus.CONFLICT:
            raise
        return api.get(f"{collection}/{item['metadata']['name']}")

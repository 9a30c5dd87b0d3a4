"""A Pod that runs on a node: what its kubelet knows of it and reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from metalev.lab.kubernetes.account import Account
from metalev.lab.kubernetes.api import Object
from metalev.lab.kubernetes.nodes import is_ready, now
from metalev.lab.namespace import Namespace
from metalev.lab.process import Process
from metalev.lab.topology import PodSpec
from metalev.model.address import IPAddress

READY_ANNOTATION = "lab.metalev.io/ready"  # "false" makes a Pod not ready, whatever it answers
_WHOLE = {"$patch": "replace"}  # a list that is written whole: merged with the old one it might not be valid


@dataclass
class RunningPod:
    """A Pod's place and process. ``slot`` is None for one in the node's own network."""

    uid: str
    slot: PodSpec | None
    namespace: Namespace
    addresses: Sequence[IPAddress]
    process: Process | None = None
    started: str = field(default_factory=now)
    restarts: int = 0
    account: Account | None = None  # of a program's; the web servers ask nobody
    answers: bool = True  # its readiness probe, if it has one
    deleted: float | None = None  # since when its deletion is known here, by time.monotonic()

    def end(self, pod: Object) -> None:
        """Deletion in a kubelet's steps: the preStop hook's sleep, SIGTERM, and SIGKILL when the grace is over."""
        assert self.process is not None
        now = time.monotonic()
        self.deleted = now if self.deleted is None else self.deleted
        hook = container_of(pod).get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        if now - self.deleted >= (pod["metadata"].get("deletionGracePeriodSeconds") or 0):
            self.process.kill()
        elif now - self.deleted >= hook.get("seconds", 0):
            self.process.ask_to_end()


def container_of(pod: Object) -> Object:
    """The first container, the only one that runs here."""
    return dict(pod["spec"]["containers"][0])


def ports_of(pod: Object) -> set[tuple[int, str]]:
    """The ports that its container declares, with their protocols."""
    ports = container_of(pod).get("ports", ())
    return {(port["containerPort"], port.get("protocol", "TCP")) for port in ports}


def wants_ready(pod: Object) -> bool:
    """Whether nobody has switched it off."""
    return bool(pod["metadata"].get("annotations", {}).get(READY_ANNOTATION, "true") != "false")


def status_patch(pod: Object, running: RunningPod, host_addresses: Sequence[IPAddress]) -> Object | None:
    """What is to be changed in the Pod's status; None if it says already how things are."""
    alive = running.process is None or running.process.running
    ready = alive and running.answers and wants_ready(pod)
    wanted = ("Running", [str(address) for address in running.addresses], ready, running.restarts)
    if wanted == _reported(pod):
        return None
    since = {"running": {"startedAt": running.started}} if alive else {"waiting": {"reason": "CrashLoopBackOff"}}
    container = container_of(pod)
    status = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "started": alive,
        "restartCount": running.restarts,
        "state": since,
    }
    return {
        "status": {
            "phase": "Running",
            "startTime": running.started,
            "hostIP": str(host_addresses[0]),
            "hostIPs": [_WHOLE, *({"ip": str(address)} for address in host_addresses)],
            "podIP": str(running.addresses[0]),
            "podIPs": [_WHOLE, *({"ip": str(address)} for address in running.addresses)],
            "conditions": [
                _condition("Initialized", status=True),
                _condition("ContainersReady", status=ready),
                _condition("Ready", status=ready),
            ],
            "containerStatuses": [status],
        }
    }


def _reported(pod: Object) -> tuple[str, list[str], bool, int]:
    status = pod.get("status", {})
    addresses = [entry["ip"] for entry in status.get("podIPs", ())]
    restarts = sum(container["restartCount"] for container in status.get("containerStatuses", ()))
    return status.get("phase", ""), addresses, is_ready(pod), restarts


def _condition(kind: str, *, status: bool) -> Object:
    return {"type": kind, "status": str(status), "lastTransitionTime": now()}

"""What runs in a Pod: by its image's name a program of this machine, or else the lab's web server."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from metalev.lab import pods
from metalev.lab.kubernetes import container
from metalev.lab.kubernetes.api import Api, ApiError, Object
from metalev.lab.kubernetes.flags import API_SERVICE
from metalev.lab.kubernetes.pod import RunningPod, container_of, ports_of
from metalev.lab.namespace import Namespace
from metalev.lab.process import Process
from metalev.lab.topology import PodSpec

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


class Launch(Struct, frozen=True):
    """What an image is started with."""

    pod: Object
    arguments: tuple[str, ...]  # command and args of the container, as the manifest has them
    environment: Mapping[str, str]


Image: TypeAlias = Callable[[Launch], list[str]]  # the command line for a launch


def image_of(pod: Object, images: Mapping[str, Image]) -> Image | None:
    """The program for a Pod's image, whose repository's last part counts: ``ghcr.io/you/NAME:tag@sha256:...``."""
    name = container_of(pod)["image"].partition("@")[0]
    repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    return next((images[end] for end in images if repository == end or repository.endswith(f"/{end}")), None)


def metalev(launch: Launch) -> list[str]:
    """The program of this checkout, as its image starts it."""
    return [sys.executable, "-m", "metalev", *launch.arguments]


def launch_of(pod: Object, running: RunningPod, api: Api) -> Launch:
    """Resolve the container's environment and its references to it."""
    spec = container_of(pod)
    # How a program in a cluster finds the API server: by its Service, and so by kube-proxy.
    environment = {"KUBERNETES_SERVICE_HOST": API_SERVICE, "KUBERNETES_SERVICE_PORT": "443", "KUBECONFIG": os.devnull}
    for entry in spec.get("env", ()):
        value = entry["value"] if "value" in entry else _value_from(entry.get("valueFrom", {}), pod, running, api)
        environment[entry["name"]] = expand(value, environment)
    arguments = [*spec.get("command", ()), *spec.get("args", ())]
    return Launch(pod, tuple(expand(argument, environment) for argument in arguments), environment)


def run(
    program: Image, launch: Launch, account: Path, namespace: Namespace, *, log: Path, marks: Mapping[str, str]
) -> Process:
    """Start a program as its container would be."""
    argv = container.command(account, capabilities_of(launch.pod), program(launch))
    return Process.start(namespace, argv, env={**launch.environment, **marks}, log=log)


def capabilities_of(pod: Object) -> str:
    """What the container's security context leaves to root: all, unless all are dropped and some are added."""
    wanted = container_of(pod).get("securityContext", {}).get("capabilities", {})
    return ",".join(wanted.get("add", ())) if "ALL" in wanted.get("drop", ()) else container.ALL


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Put the values in for ``$(NAME)``; what is unknown stays as it is."""
    return _REFERENCE.sub(lambda match: environment.get(match[1], match[0]), text)


def serve(pod: Object, running: RunningPod, node: str, *, log: Path, marks: Mapping[str, str]) -> Process:
    """Start the web server in a Pod's namespace; its sockets queue connections before it is up."""
    name = pod["metadata"]["name"]
    assert running.slot is not None
    spec = PodSpec(name, running.slot.address, running.slot.address6)
    ports = sorted({*pods.PORTS, *ports_of(pod)})
    with ExitStack() as stack:
        listeners = list(pods.listen(running.namespace, spec, node, stack, ports))
        descriptors = [listener.fd for listener in listeners]
        command = pods.command(listeners)
        return Process.start(running.namespace, command, env=marks, log=log, pass_fds=descriptors)


def _value_from(source: Object, pod: Object, running: RunningPod, api: Api) -> str:
    if "fieldRef" in source:
        return _field(source["fieldRef"]["fieldPath"], pod, running)
    for kind, collection in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
        if kind in source:
            return _key(source[kind], collection, pod, api)
    return ""


def _field(path: str, pod: Object, running: RunningPod) -> str:
    if path == "status.podIP":
        return str(running.addresses[0])
    value: object = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def _key(reference: Object, collection: str, pod: Object, api: Api) -> str:
    namespace = pod["metadata"]["namespace"]
    try:
        data = api.get(f"/api/v1/namespaces/{namespace}/{collection}/{reference['name']}").get("data", {})
    except ApiError:
        if reference.get("optional"):
            return ""
        raise
    value = str(data.get(reference["key"], ""))
    return base64.b64decode(value).decode() if collection == "secrets" else value

"""A Pod's readiness probe, as its node asks it."""

from __future__ import annotations

import http.client

from metalev.lab.kubernetes.api import Object
from metalev.lab.kubernetes.pod import RunningPod, container_of
from metalev.lab.namespace import Namespace

TIMEOUT_S = 0.5


def answers(probe: Object, pod: Object, running: RunningPod, node: Namespace) -> bool:
    """Whether an HTTP probe is answered with 200 to 399; one of another kind counts as answered."""
    get = probe.get("httpGet")
    if get is None:
        return True
    host, port, path = get.get("host") or str(running.addresses[0]), port_of(get["port"], pod), get.get("path", "/")

    def ask() -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            return http.HTTPStatus.OK <= connection.getresponse().status < http.HTTPStatus.BAD_REQUEST
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return node.call(ask)


def port_of(port: int | str, pod: Object) -> int:
    """The number of a port that may be named."""
    if isinstance(port, int):
        return port
    ports = container_of(pod).get("ports", ())
    return next((int(entry["containerPort"]) for entry in ports if entry.get("name") == port), 0)

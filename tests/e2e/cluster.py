"""A cluster with metalev as its users have it: a kubeconfig, and a machine outside that sends to its addresses."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.e2e.ranges import Ranges

Object = dict[str, Any]
T = TypeVar("T")

SYSTEM = "metallb-system"
POLL_S = 0.05
PATIENCE_S = 60


@dataclass(frozen=True)
class Way:
    """How to get to a cluster."""

    kubeconfig: Path
    client: Sequence[str]
    """What stands before a command for it to run on a machine on the nodes' network, which is none of them."""
    ranges: Ranges
    kubectl: str = "kubectl"
    announcers: Callable[[str], list[str]] | None = None
    """The nodes that answer for an address at this moment, if there is a better view than the client's own."""


class Cluster:
    """What the tests may do: ask kubectl, and be a client. Nothing here knows what metalev is made of."""

    def __init__(self, way: Way, directory: Path) -> None:
        self._way = way
        self.ranges = way.ranges
        self._socket = directory / "proxy"

    def __enter__(self) -> Self:
        command = self._kubectl("proxy", f"--unix-socket={self._socket}")
        self._proxy = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._proxy.stdout is not None
        assert self._proxy.stdout.readline().startswith(b"Starting to serve"), "kubectl proxy does not serve"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._proxy.terminate()
        self._proxy.communicate()

    # ===== kubectl =====

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What it prints; a failure of the test, with what it says, if it fails."""
        done = subprocess.run(
            self._kubectl(*arguments), input=stdin, capture_output=True, text=True, timeout=150, check=False
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout

    def logs(self, lines: int = 40) -> str:
        """The last lines of metalev's programs, each with its Pod's name; what kubectl says if it cannot have them."""
        command = self._kubectl("logs", "-n", SYSTEM, "-l", "app=metallb", "--prefix", f"--tail={lines}")
        done = subprocess.run(
            [*command, "--max-log-requests=99"], capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr

    def apply(self, *manifests: Object | str, namespace: str = "") -> None:
        """``kubectl apply``, of objects or of YAML as it stands in a document."""
        into = ["-n", namespace] if namespace else []
        texts = [one for one in manifests if isinstance(one, str)]
        if objects := [one for one in manifests if not isinstance(one, str)]:
            texts.append(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        for text in texts:
            self.kubectl("apply", *into, "-f", "-", stdin=text)

    def read(self, path: str) -> Object:
        """What the API has there, through ``kubectl proxy``: quicker than a kubectl for each look. 404: empty."""
        return self._ask("GET", path)

    def items(self, path: str) -> list[Object]:
        """What is in a collection."""
        return list(self.read(path)["items"])

    def delete_all(self, path: str) -> None:
        """Empty a collection."""
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str) -> Object:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self._socket))
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status in {200, 201, 202, 404}, f"{method} {path}: {body.decode()}"
        return {} if answer.status == 404 else dict(json.loads(body))

    def _kubectl(self, *arguments: str) -> list[str]:
        return [self._way.kubectl, f"--kubeconfig={self._way.kubeconfig}", *arguments]

    # ===== metalev's own commands =====

    def metalev(self, *arguments: str) -> tuple[int, str]:
        """The exit status of ``metalev status`` or ``metalev why``, and what was printed."""
        command = [sys.executable, "-m", "metalev", *arguments, "--kubeconfig", str(self._way.kubeconfig)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    # ===== the client =====

    def client(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine outside, to its end."""
        return subprocess.run(
            [*self._way.client, *command], capture_output=True, text=True, timeout=60, check=False, env=os.environ
        )

    def curl(self, address: str, path: str = "/", port: int = 80) -> str | None:
        """The page, None if there is no answer."""
        host = f"[{address}]" if ":" in address else address
        done = self.client("curl", "-s", "-m", "1", f"http://{host}:{port}{path}")
        return done.stdout.strip() if done.returncode == 0 else None

    def datagram(self, address: str, word: str, port: int) -> str | None:
        """The answer to a datagram, None if there is none. The client has bash, not always more."""
        script = f"exec 3<>/dev/udp/{address}/{port} && printf %s {word} >&3 && timeout 1 dd bs=300 count=1 <&3"
        return self.client("bash", "-c", script).stdout.strip() or None

    def address_towards(self, address: str) -> str:
        """The client's own address, as whoever has ``address`` sees it."""
        (route,) = json.loads(self.client("ip", "-j", "route", "get", address).stdout)
        return str(route["prefsrc"])

    def announcers(self, address: str) -> list[str]:
        """The nodes that answer when the client asks who has ``address``: one, if all is well."""
        if self._way.announcers:
            return self._way.announcers(address)
        self.client("ip", "neigh", "flush", "to", address)
        self.curl(address)
        return [node for node in self.nodes if self._mac(address) in self._macs(node)]

    @property
    def nodes(self) -> list[str]:
        """The names of all nodes."""
        return [node["metadata"]["name"] for node in self.items("/api/v1/nodes")]

    def _macs(self, node: str) -> set[str]:
        """The MAC addresses at which the client finds a node."""
        found = self.read(f"/api/v1/nodes/{node}")["status"]["addresses"]
        own = [one["address"] for one in found if one["type"] == "InternalIP"]
        for address in own:
            self.curl(address)
        return {mac for address in own if (mac := self._mac(address))}

    def _mac(self, address: str) -> str:
        found = json.loads(self.client("ip", "-j", "neigh", "show", "to", address).stdout or "[]")
        return next((entry["lladdr"] for entry in found if "lladdr" in entry), "")


def ranges_of(client: Callable[..., subprocess.CompletedProcess[str]], node: str) -> Ranges:
    """The last addresses of the client's own networks in which a node's is: whose engine gives out the first ones."""
    found = json.loads(client("ip", "-j", "address", "show").stdout)
    own = [f"{one['local']}/{one['prefixlen']}" for link in found for one in link["addr_info"]]
    return Ranges.at_the_end_of(own, ip_address(node))


def wait_for(what: str, condition: Callable[[], T | None], timeout: float = PATIENCE_S) -> T:
    """The first true value of ``condition``; a failure of the test, naming ``what``, if there is none in time."""
    end = monotonic() + timeout
    while not (value := condition()):
        assert monotonic() < end, f"not within {timeout:g} s: {what}"
        Event().wait(POLL_S)
    return value


def words(text: str) -> str:
    """Without line breaks and columns."""
    return re.sub(r"\s+", " ", text)

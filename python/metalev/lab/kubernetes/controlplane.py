"""etcd, kube-apiserver and, if wanted, kube-controller-manager: on loopback, or on a host of a lab."""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metalev.lab import interrupts
from metalev.lab.kubernetes import flags
from metalev.lab.kubernetes.access import Access
from metalev.lab.kubernetes.binaries import kubernetes
from metalev.lab.kubernetes.certificates import Certificates
from metalev.lab.kubernetes.connection import Connection
from metalev.lab.kubernetes.kubeconfig import ADMIN, CONTROLLER_MANAGER
from metalev.lab.kubernetes.part import Part
from metalev.lab.ledger import demolish, open_record, reap
from metalev.lab.namespace import Namespace, OwnNetwork
from metalev.lab.process import Process

USUAL_PORTS = (2379, 2380, 6443, 10257, 2378)  # where there is nobody else
PORTS = range(20000, 30000)  # below those that the kernel gives to outgoing connections


class ControlPlane(Access):
    """A Kubernetes API for as long as the ``with`` block runs; its parts can be killed, paused and started again.

    All its files lie in ``directory``. ``namespace`` and ``address`` say where it listens (on loopback otherwise), and
    ``environment`` what its processes carry if they belong to a lab. ``options`` adds flags to a program of Kubernetes:
    ``{"kube-apiserver": ["--goaway-chance=0.02"]}``. With ``audit``, :meth:`calls` tells who asked for what. With
    ``slow_etcd``, the API server reaches etcd by a way that can be made slow (:meth:`slow_down`).
    """

    def __init__(
        self,
        directory: Path,
        *,
        namespace: Namespace | None = None,
        address: str = "127.0.0.1",
        environment: Mapping[str, str] | None = None,
        controller_manager: bool = False,
        audit: bool = False,
        slow_etcd: bool = False,
        options: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(directory, namespace or OwnNetwork(), address)
        self._environment = environment
        self._with_controller_manager = controller_manager
        self._audit = audit
        self._slow_etcd = slow_etcd
        self._options = options or {}
        self._own_environment: Mapping[str, str] = {}
        self._door_port = 0
        self.door: Process
        """The way to it from the machine that runs the lab, if the API server is on a host of one."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._own_environment = self._environment or _own_record(stack)
            self._prepare()
            for part in self.parts:
                stack.callback(part.kill)
                part.start()
            if not isinstance(self.namespace, OwnNetwork):
                self.open_door()
                stack.callback(lambda: self.door.kill())  # noqa: PLW0108  (another one by then, perhaps)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # ===== its parts =====

    @property
    def parts(self) -> list[Part]:
        """In the order in which they start."""
        slow = [self._etcd_door] if self._slow_etcd else []
        managers = [self.controller_manager] if self._with_controller_manager else []
        return [self.etcd, *slow, self.apiserver, *managers]

    def log(self, name: str) -> str:
        """What a part (``kube-apiserver``) has printed."""
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def slow_down(self, least: float, most: float) -> None:
        """From now on etcd hears so many seconds later of what the API server asks it; at once after ``0, 0``."""
        assert self._slow_etcd, "ControlPlane(..., slow_etcd=True) has such a way"
        new = self._slowness.with_suffix(".new")
        new.write_text(f"{least} {most}")
        new.rename(self._slowness)

    def calls(self) -> list[dict[str, Any]]:
        """The audit events of finished requests (audit.k8s.io/v1, level Metadata), oldest first."""
        assert self._audit, "ControlPlane(..., audit=True) records calls"
        lines = (self.directory / "audit.log").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    # ===== how it is made =====

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.binaries = kubernetes()
        self._certificates = Certificates(self.directory / "pki", flags.server_names(self.address))
        etcd, etcd_peers, self.port, controllers, door = (
            _free_ports(5) if isinstance(self.namespace, OwnNetwork) else USUAL_PORTS
        )
        settings = flags.Settings(
            directory=self.directory,
            address=self.address,
            port=self.port,
            etcd=etcd,
            etcd_way=door if self._slow_etcd else etcd,
            etcd_peers=etcd_peers,
            controllers=controllers,
            audit=self._audit,
        )
        of_apiserver = flags.kube_apiserver(settings, self._certificates, controllers=self._with_controller_manager)
        of_manager = flags.kube_controller_manager(settings, self._certificates, self.kubeconfig(CONTROLLER_MANAGER))
        wanted = (
            ("etcd", flags.etcd(settings), lambda: self._serves("http", etcd, "/health")),
            ("kube-apiserver", of_apiserver, self._has_booted),
            ("kube-controller-manager", of_manager, lambda: self._serves("https", controllers, "/healthz")),
        )
        self.etcd, self.apiserver, self.controller_manager = (
            self._part(name, [str(self.binaries / name), *argv, *self._options.get(name, ())], ready)
            for name, argv, ready in wanted
        )
        self._slowness = self.directory / "slowness"
        argv = [sys.executable, "-m", "metalev.lab.kubernetes.slowdoor", str(door), str(etcd), str(self._slowness)]
        self._etcd_door = self._part("etcd-door", argv, lambda: self._serves("http", door, "/health"))

    def _part(self, name: str, argv: Sequence[str], ready: Callable[[], bool]) -> Part:
        log = self.directory / f"{name}.log"
        return Part(name, argv, ready, namespace=self.namespace, environment=self._own_environment, log=log)

    def open_door(self) -> None:
        """Let the machine in that runs the lab; where it was, if it was open before."""
        with socket.create_server(("127.0.0.1", self._door_port)) as listener, interrupts.held():
            self._door_port = listener.getsockname()[1]
            self.outside_server = f"https://127.0.0.1:{self._door_port}"
            target = f"{self.address}:{self.port}"
            argv = [sys.executable, "-m", "metalev.lab.kubernetes.door", str(listener.fileno()), target]
            self.door = Process.start(self.namespace, argv, env=self._own_environment, pass_fds=[listener.fileno()])

    def _has_booted(self) -> bool:
        """``default`` comes a moment after the server calls itself ready."""
        return self._serves("https", self.port, "/readyz") and self._serves(
            "https", self.port, "/api/v1/namespaces/default"
        )

    def _serves(self, scheme: str, port: int, path: str) -> bool:
        """Whether a part answers 200, asked by the administrator from where it runs."""

        def ask() -> bool:
            connection = self._connect(scheme, port)
            try:
                connection.request("GET", path)
                with connection.getresponse() as response:
                    return response.status == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False
            finally:
                connection.close()

        return self.namespace.call(ask)

    def _connect(self, scheme: str, port: int) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        context = ssl.create_default_context(cafile=str(self.authority))
        if port != self.port:  # the controller manager makes its own certificate, which nobody signed
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return Connection(("127.0.0.1", port), 5, context)
        context.load_cert_chain(*self._certificates.client(ADMIN.name, ADMIN.groups))
        return Connection((self.address, port), 5, context)


def _free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on: fixed, so that a part can be started again where it was."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(PORTS)  # noqa: S311  (no secret)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found


def _own_record(stack: ExitStack) -> Mapping[str, str]:
    """Be entered in the ledger, as a lab without namespaces, so that a killed owner's processes are found."""
    reap()
    interrupts.install()
    stack.callback(interrupts.restore)
    with interrupts.held():
        record = open_record(())
        stack.callback(demolish, record)
    return record.environment

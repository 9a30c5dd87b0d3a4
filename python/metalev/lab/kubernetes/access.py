"""Who may talk to an API server, from where, and kubectl."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metalev.lab.kubernetes import kubeconfig
from metalev.lab.kubernetes.api import Api
from metalev.lab.kubernetes.certificates import Certificates
from metalev.lab.kubernetes.kubeconfig import ADMIN, User
from metalev.lab.namespace import LabError, Namespace

TOKEN_DURATION = "24h"  # noqa: S105  (no secret)


class Access:
    """The way to an API server at ``address`` in ``namespace``; files are kept in ``directory``."""

    binaries: Path
    port: int
    outside_server: str = ""  # the URL for the machine that runs the lab, if it is another
    _certificates: Certificates

    def __init__(self, directory: Path, namespace: Namespace, address: str) -> None:
        self.directory = directory
        self.namespace = namespace
        self.address = address

    @property
    def server(self) -> str:
        """The URL of the API."""
        return f"https://{self.address}:{self.port}"

    @property
    def server_certificate(self) -> tuple[Path, Path]:
        """The API server's certificate and key, good enough for a kubelet too: its name is not looked at."""
        return self._certificates.server

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed the API server's."""
        return self._certificates.authority

    def kubeconfig(self, user: User = ADMIN) -> Path:
        """The kubeconfig of a user with a client certificate."""
        credentials = kubeconfig.by_certificate(*self._certificates.client(user.name, user.groups))
        return self.write_kubeconfig(self.directory / "kubeconfig" / user.name.replace(":", "-"), credentials)

    def service_account(self, namespace: str, name: str, *, pod: str = "") -> Path:
        """The kubeconfig of a ServiceAccount, with a token that the API server issued.

        With ``pod``, one of its Pods, the token is bound to that Pod and so carries the node's name.
        """
        token = self.token(namespace, name, pod=pod)
        path = self.directory / "kubeconfig" / f"{namespace}-{name}-{pod}".rstrip("-")
        return self.write_kubeconfig(path, {"token": token}, namespace)

    def write_kubeconfig(self, path: Path, credentials: Mapping[str, Any], namespace: str = "default") -> Path:
        """A kubeconfig for whoever has ``credentials``, to be used from where ``server`` can be reached."""
        return kubeconfig.write(path, self.server, self.authority, credentials, namespace)

    def outside(self, config: Path) -> Path:
        """The same kubeconfig for use from the machine itself, outside of the lab."""
        return kubeconfig.moved(config, self.outside_server or self.server, "outside")

    def client(self, user: User, namespace: Namespace | None = None) -> Api:
        """The lab's own client for a user, that connects from ``namespace`` (else from beside the API server)."""
        identity = self._certificates.client(user.name, user.groups)
        return Api((self.address, self.port), self.authority, identity, namespace or self.namespace)

    def token(self, namespace: str, name: str, *, pod: str = "") -> str:
        """A new token of a ServiceAccount, by the TokenRequest API."""
        bound: Sequence[str] = ()
        if pod:
            uid = self.kubectl("get", "pod", "-n", namespace, pod, "-o", "jsonpath={.metadata.uid}")
            bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}", f"--bound-object-uid={uid}")
        return self.kubectl("create", "token", "-n", namespace, name, f"--duration={TOKEN_DURATION}", *bound).strip()

    def kubectl(self, *arguments: str, stdin: str = "", config: Path | None = None, timeout: float = 150) -> str:
        """What ``kubectl`` prints; :class:`LabError` with what it says if it fails."""
        done = self.try_kubectl(*arguments, stdin=stdin, config=config, timeout=timeout)
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise LabError(f"`kubectl {' '.join(arguments)}` failed ({done.returncode}): {said}")
        return done.stdout

    def try_kubectl(
        self, *arguments: str, stdin: str = "", config: Path | None = None, timeout: float = 150
    ) -> subprocess.CompletedProcess[str]:
        """``kubectl`` run to its end, by the administrator unless ``config`` is somebody else's kubeconfig."""
        argv = [str(self.binaries / "kubectl"), f"--kubeconfig={config or self.kubeconfig()}", *arguments]
        environment = {**os.environ, "KUBECACHEDIR": str(self.directory / "kubectl-cache")}
        return subprocess.run(
            self.namespace.inside(argv),
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

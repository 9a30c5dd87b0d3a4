"""Where the API server is and how to prove who we are, found out by the ``kubernetes`` package in a process of its own.

That package costs more memory than the rest of a speaker. What it knows (kubeconfigs, contexts, exec plugins, service
accounts) is needed for a moment at the start and whenever a token is refused, so it lives only that long::

    python -m metalev.adapters.kubernetes.kubeconfig '{"kubeconfig": "/etc/kubernetes/admin.conf"}'
"""

from __future__ import annotations

import subprocess
import sys

import msgspec
from msgspec import Struct

from metalev.adapters.places import Source
from metalev.model.errors import StartError

CHILD = "metalev.adapters.kubernetes.kubeconfig"
PATIENCE_SECONDS = 60.0
"""For an exec plugin that asks a cloud; a person at a prompt would not be seen anyway."""


class Credentials(Struct, frozen=True):
    """What a connection needs: certificates in PEM, ``token`` without ``Bearer``.

    ``token_file`` is where the token stands if somebody renews it there (a pod's service account).
    """

    host: str
    ca: str = ""
    verify: bool = True
    server_name: str = ""
    client_certificate: str = ""
    client_key: str = ""
    token: str = ""
    token_file: str = ""
    basic: str = ""

    def __repr__(self) -> str:
        return f"Credentials(host={self.host!r}, ...)"


def find(source: Source) -> Credentials:
    """Look it up. Raises ``StartError`` with what is wrong and what to do."""
    command = [sys.executable, "-m", CHILD, msgspec.json.encode(source).decode()]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise StartError(
            f"{named(source)} gave no credentials within {PATIENCE_SECONDS:g} s: does its plugin wait for a person?"
        ) from None
    if done.returncode != 0:
        raise StartError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    return msgspec.json.decode(done.stdout, type=Credentials)


def named(source: Source) -> str:
    """The source as a person knows it."""
    return f"the kubeconfig {source.kubeconfig}" if source.kubeconfig else "the pod's service account"

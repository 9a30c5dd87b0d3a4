"""Who asks the API server, and the files by which they do."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

CONTEXT = "lab"


class User(Struct, frozen=True):
    """Somebody with a client certificate."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("kubernetes-admin", ("system:masters",))
CONTROLLER_MANAGER = User("system:kube-controller-manager")
KUBE_PROXY = User("system:kube-proxy")
SCHEDULER = User("system:kube-scheduler")


def node(name: str) -> User:
    """The user that a node's kubelet is: the Node authorizer knows it by name and group."""
    return User(f"system:node:{name}", ("system:nodes",))


def by_certificate(certificate: Path, key: Path) -> dict[str, Any]:
    """The credentials of a client certificate, in the file itself as kubeadm writes them."""
    return {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}


def write(path: Path, server: str, authority: Path, credentials: Mapping[str, Any], namespace: str = "default") -> Path:
    """Write a kubeconfig with one context; YAML is a superset of JSON."""
    cluster = {"server": server, "certificate-authority-data": _base64(authority)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": credentials}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": namespace}}],
    }
    return replace(path, content)


def moved(config: Path, server: str, name: str) -> Path:
    """The same kubeconfig for another way to the server, beside it and with ``name`` at the end."""
    content = json.loads(config.read_text())
    content["clusters"][0]["cluster"]["server"] = server
    return replace(config.with_name(f"{config.name}.{name}"), content)


def replace(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a file whole, for its owner alone: nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{threading.get_native_id()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content, indent=2))
    return draft.rename(path)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()

"""What a kubeconfig says reaches the requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from metalev.adapters.kubernetes.credentials import find
from metalev.adapters.places import Source

SERVER = "https://192.0.2.1:6443"


def kubeconfig(folder: Path, user: dict[str, Any]) -> Source:
    """A kubeconfig with one user."""
    path = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": f"{SERVER}/", "insecure-skip-tls-verify": True}}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.write_text(json.dumps(document))
    return Source(str(path))


def test_the_token_is_the_one_of_the_kubeconfig(tmp_path: Path) -> None:
    found = find(kubeconfig(tmp_path, {"token": "a-token"}))
    assert (found.host, found.token) == (SERVER, "a-token")

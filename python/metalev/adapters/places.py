"""Where the cluster is: a directory of manifests, or an API server."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

STATE_FOLDER = ".metalev"


class Directory(Struct, frozen=True):
    """A directory of manifests; ``state`` unset means ``.metalev`` in it."""

    manifests: Path
    state: Path | None = None

    @property
    def state_folder(self) -> Path:
        """Where metalev writes."""
        return self.state or self.manifests / STATE_FOLDER


class Source(Struct, frozen=True):
    """Where the API server's address and credentials are. Without a ``kubeconfig`` it is the pod's service account."""

    kubeconfig: str = ""
    context: str = ""

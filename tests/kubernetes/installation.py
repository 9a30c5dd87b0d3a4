"""``deploy/`` on an API server, and how somebody asks for something there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import yaml

from metalev.adapters.kubernetes import Api
from metalev.adapters.kubernetes.errors import ApiError
from metalev.adapters.places import Source
from metalev.lab.kubernetes.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NAMESPACE = "metallb-system"
WORKLOADS = ("deployment/controller", "daemonset/speaker")


def install(plane: ControlPlane) -> str:
    """``kubectl apply -k deploy``, as an administrator does it; returns what it printed."""
    said = plane.kubectl("apply", "-k", str(DEPLOY))
    plane.kubectl("wait", "--for=condition=Established", "--timeout=90s", *(f"crd/{name}" for name in definitions()))
    # What is established is served a moment later; until then the API server knows no such path.
    kinds = ",".join(definitions())
    assert Asker.until(lambda: plane.try_kubectl("get", "-A", kinds).returncode == 0), f"{kinds} are not served"
    return said


def definitions() -> list[str]:
    """The names of the CRDs in ``deploy/crds``."""
    return [load(path)["metadata"]["name"] for path in sorted((DEPLOY / "crds").iterdir())]


def rendered(plane: ControlPlane) -> list[dict[str, Any]]:
    """Every object that ``kubectl apply -k deploy`` applies."""
    return list(yaml.safe_load_all(plane.kubectl("kustomize", str(DEPLOY))))


def load(path: Path) -> dict[str, Any]:
    """The one object in a file."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def metallb(version: str, kind: str, name: str, body: str) -> dict[str, Any]:
    """An object of ``metallb.io``; ``body`` is YAML: its spec and whatever else it has."""
    head = {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
    return head | (yaml.safe_load(body) or {})


class Asker:
    """Somebody with a kubeconfig, whose questions are answered with a refusal in words, or with nothing."""

    def __init__(self, config: Path) -> None:
        self.api = Api(Source(str(config)))

    def would_create(self, manifest: dict[str, Any]) -> str:
        """Why the object is refused; empty if it would be taken. Nothing is stored."""
        return self._said(lambda: self.api.post(f"{path_of(manifest)}?dryRun=All", manifest))

    def create(self, manifest: dict[str, Any]) -> str:
        """Why the object is refused; empty if it is stored."""
        return self._said(lambda: self.api.post(path_of(manifest), manifest))

    def patch(self, manifest: dict[str, Any], body: dict[str, Any], subresource: str = "") -> str:
        """Why a merge patch of the object is refused; empty if it is done."""
        path = f"{path_of(manifest)}/{manifest['metadata']['name']}{subresource and '/' + subresource}"
        return self._said(lambda: self.api.patch(path, body, "application/merge-patch+json"))

    def replace(self, manifest: dict[str, Any]) -> str:
        """Why the object as it is now may not become this one; empty if it has."""
        path = f"{path_of(manifest)}/{manifest['metadata']['name']}"

        def ask() -> None:
            version = json.loads(self.api.get(path))["metadata"]["resourceVersion"]
            self.api.put(path, manifest | {"metadata": manifest["metadata"] | {"resourceVersion": version}})

        return self._said(ask)

    def delete(self, manifest: dict[str, Any]) -> str:
        """Why the deletion is refused; empty if the object is gone."""
        return self._said(lambda: self.api.delete(f"{path_of(manifest)}/{manifest['metadata']['name']}"))

    @staticmethod
    def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
        """Whether it comes true: what an API server admits changes a moment after it was told to."""
        end = time.monotonic() + seconds
        while not (met := condition()) and time.monotonic() < end:
            Event().wait(0.1)
        return met

    @staticmethod
    def _said(ask: Any) -> str:
        try:
            ask()
        except ApiError as error:
            return str(error)
        return ""


def path_of(manifest: dict[str, Any]) -> str:
    """The collection that an object belongs to."""
    version, kind, metadata = manifest["apiVersion"], manifest["kind"].lower(), manifest["metadata"]
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + ("es" if kind.endswith("s") else "s")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{metadata['namespace']}/{plural}" if "namespace" in metadata else f"{root}/{plural}"

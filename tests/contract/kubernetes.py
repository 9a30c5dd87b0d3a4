"""The contract suite's harness on a real API server: whoever edits there is another client of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contract.harness import FixedClock, Manifest, Program, Recorder

from metalev.adapters.codec.kinds import API_VERSION, CLUSTER_SCOPED, METALLB
from metalev.adapters.kubernetes import Api, KubernetesCluster
from metalev.adapters.kubernetes.errors import ApiError
from metalev.adapters.kubernetes.resources import collection, item
from metalev.adapters.places import Source
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.model.meta import Kind, Name
from metalev.model.snapshot import Synced

NAMESPACE = "metallb-system"
_CUSTOM = (Kind.POOL, Kind.L2_ADVERTISEMENT, Kind.SPEAKER_STATE)


@contextmanager
def contract_plane(directory: Path) -> Iterator[ControlPlane]:
    """An API server with resources that take any content: what their schemas refuse elsewhere is to be tried here."""
    with ControlPlane(directory) as plane:
        definitions = {"apiVersion": "v1", "kind": "List", "items": [_definition(kind) for kind in _CUSTOM]}
        plane.kubectl("apply", "-f", "-", stdin=json.dumps(definitions))
        plane.kubectl("wait", "--for=condition=Established", "--timeout=90s", "crd", "--all")
        plane.kubectl("create", "namespace", NAMESPACE)
        yield plane


class KubernetesHarness:
    """An API server, emptied at the end."""

    def __init__(self, plane: ControlPlane) -> None:
        self._source = Source(str(plane.kubeconfig()))
        self._api = Api(self._source)
        self._made: dict[str, None] = {}
        self._programs: list[Program] = []

    def put(self, manifest: Manifest) -> None:
        kind = Kind(manifest["kind"])
        name = self._name(kind, manifest["metadata"]["name"])
        path = item(kind, name)
        self._made[path] = None
        try:
            self._api.post(collection(kind, name.namespace), manifest)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            self._api.patch(path, manifest, "application/merge-patch+json")

    def remove(self, kind: Kind, name: str) -> None:
        self._delete(item(kind, self._name(kind, name)))

    def cut(self, kind: Kind, name: str) -> None:
        raise NotImplementedError("an API server takes no half documents")

    def connect(self, writer: str = "controller", *, watch: bool = True) -> Program:
        cluster = KubernetesCluster(Api(self._source), FixedClock(), namespace=NAMESPACE, writer=writer, watch=watch)
        program = Program(cluster, Recorder())
        self._programs.append(program)
        self._made[item(Kind.SPEAKER_STATE, Name("", writer))] = None
        cluster.start(program.seen)
        program.seen.until(lambda: Synced() in program.seen.changes)
        return program

    def event_counts(self) -> Counter[str]:
        events = json.loads(self._api.get("/api/v1/namespaces/default/events"))["items"]
        counts: Counter[str] = Counter()
        for event in events:
            counts[event["reason"]] += event["count"]
        return counts

    def close(self) -> None:
        for program in self._programs:
            program.cluster.stop()
        for path in self._made:
            self._delete(path)
        self._delete("/api/v1/namespaces/default/events")
        self._api.stop()

    def _delete(self, path: str) -> None:
        try:
            self._api.delete(path)
        except ApiError as error:
            if error.status != 404:
                raise

    def _name(self, kind: Kind, name: str) -> Name:
        if kind in CLUSTER_SCOPED:
            return Name("", name)
        ours = API_VERSION[kind].startswith(METALLB) or kind in {Kind.CONFIG_MAP, Kind.SECRET}
        return Name(NAMESPACE if ours else "default", name)


def _definition(kind: Kind) -> Mapping[str, Any]:
    group, _, version = API_VERSION[kind].partition("/")
    plural = collection(kind, "").rpartition("/")[2]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"plural": plural, "singular": kind.lower(), "kind": str(kind), "listKind": f"{kind}List"},
            "scope": "Cluster" if kind in CLUSTER_SCOPED else "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": anything},
                    "subresources": {"status": {}},
                }
            ],
        },
    }

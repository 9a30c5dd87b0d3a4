"""What the contract suite needs of a cluster beside the port itself: somebody who edits manifests."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml
from msgspec import Struct
from tests.fakes.cluster import FakeCluster

from metalev.adapters.codec import Codec, UnreadKind
from metalev.adapters.files import FilesCluster
from metalev.model.errors import BadInput
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import PoolStatus
from metalev.model.snapshot import Change, Deleted, Listed, Object, PoolStatusSeen, Rejected, Upserted, key_of
from metalev.ports.cluster import Cluster

PATIENCE_SECONDS = 60.0
Manifest = dict[str, Any]
V = TypeVar("V", bound=Object)


class Recorder:
    """A sink that keeps everything, and the world that follows from it."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.objects: dict[ObjectKey, Object] = {}
        self.pool_statuses: dict[Name, PoolStatus] = {}
        self.problems: dict[str, str] = {}
        self.serious: set[str] = set()
        self._arrived = threading.Condition()

    def __call__(self, change: Change) -> None:
        with self._arrived:
            self.changes.append(change)
            self._apply(change)
            self._arrived.notify_all()

    def get(self, kind: type[V], key: ObjectKey) -> V:
        obj = self.objects[key]
        assert isinstance(obj, kind)
        return obj

    def versions_of(self, key: ObjectKey) -> list[Object]:
        """Every version of an object that was delivered, in order."""
        return [change.obj for change in self.changes if isinstance(change, Upserted) and key_of(change.obj) == key]

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until ``holds``; an error that shows what came instead if it does not in time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._arrived:
            while not holds():
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise AssertionError(f"it never came: {self.problems}, {self.changes[-5:]}")

    def _apply(self, change: Change) -> None:
        match change:
            case Upserted(obj):
                self.objects[key_of(change.obj)] = obj
            case Deleted(key):
                del self.objects[key]
            case Listed(kind, names):
                self.objects = {k: o for k, o in self.objects.items() if k.kind is not kind or k.name in names}
            case PoolStatusSeen(name, None):
                self.pool_statuses.pop(name)
            case PoolStatusSeen(name, PoolStatus() as status):
                self.pool_statuses[name] = status
            case Rejected(source, ""):
                self.problems.pop(source, None)
                self.serious.discard(source)
            case Rejected(source, message, serious):
                self.problems[source] = message
                (self.serious.add if serious else self.serious.discard)(source)


class RelistableCluster(Cluster, Protocol):
    """A cluster that can be told to look at everything again, as it does by itself when a watch breaks."""

    def relist(self) -> None: ...


class Program(Struct):
    """One program's connection to the cluster, started."""

    cluster: RelistableCluster
    seen: Recorder


class Harness(Protocol):
    """A cluster that the suite can edit. A document that was ``cut`` is there, but nobody can read it."""

    def put(self, manifest: Manifest) -> None: ...
    def remove(self, kind: Kind, name: str) -> None: ...
    def cut(self, kind: Kind, name: str) -> None: ...
    def connect(self, writer: str = "controller", *, watch: bool = True) -> Program: ...
    def event_counts(self) -> Counter[str]: ...
    def close(self) -> None: ...


class FixedClock:
    """The suite decides nothing by time."""

    def now(self) -> float:
        return 0.0

    def wall(self) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FilesHarness:
    """A directory, edited as an editor does: a new file under the old name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs: list[Program] = []

    def put(self, manifest: Manifest) -> None:
        self._write(manifest["kind"], manifest["metadata"]["name"], json.dumps(manifest))

    def remove(self, kind: Kind, name: str) -> None:
        self._path(kind, name).unlink()

    def cut(self, kind: Kind, name: str) -> None:
        text = self._path(kind, name).read_text()
        self._write(kind, name, text[: len(text) // 2])

    def connect(self, writer: str = "controller", *, watch: bool = True) -> Program:
        program = Program(FilesCluster(self.folder, FixedClock(), writer=writer, watch=watch), Recorder())
        self._programs.append(program)
        program.cluster.start(program.seen)
        return program

    def event_counts(self) -> Counter[str]:
        files = self.folder.glob(".metalev/*/events/*.yaml")
        documents = [yaml.safe_load(file.read_text()) for file in files]
        return Counter({document["reason"]: document["count"] for document in documents})

    def close(self) -> None:
        for program in self._programs:
            program.cluster.stop()

    def _path(self, kind: str, name: str) -> Path:
        return self.folder / f"{kind.lower()}-{name}.yaml"

    def _write(self, kind: str, name: str, text: str) -> None:
        path = self._path(kind, name)
        draft = path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(path)


class FakeHarness:
    """The fake, edited through the same codec."""

    def __init__(self) -> None:
        self._cluster = FakeCluster()
        self._codec = Codec("metallb-system", default_families=(4,))

    def put(self, manifest: Manifest) -> None:
        source = f"{manifest['kind']}/{manifest['metadata']['name']}"
        try:
            obj = self._codec.decode(manifest)
        except BadInput as error:
            self._cluster.reject(source, str(error), serious=not isinstance(error, UnreadKind))
            return
        if source in self._cluster.world.problems:
            self._cluster.reject(source, "")
        if obj is not None:
            self._cluster.put(obj)

    def remove(self, kind: Kind, name: str) -> None:
        for key in [key for key in self._cluster.world.objects if key.kind is kind and key.name.name == name]:
            self._cluster.remove(key)

    def cut(self, kind: Kind, name: str) -> None:
        self._cluster.reject(f"{kind}/{name}", "cannot be read")

    def connect(self, writer: str = "controller", *, watch: bool = True) -> Program:
        program = Program(self._cluster.beside(writer, watch=watch), Recorder())
        program.cluster.start(program.seen)
        return program

    def event_counts(self) -> Counter[str]:
        return Counter(event.reason for event in self._cluster.events)

    def close(self) -> None:
        for view in self._cluster.world.views:
            view.stop()


def service_key(name: str) -> ObjectKey:
    return ObjectKey(Kind.SERVICE, Name("default", name))

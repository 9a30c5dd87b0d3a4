"""What each program says in MetalLB's words, on an API server in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, cast

import pytest

from metalev.adapters.kubernetes import upkeep
from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.configstate import ConfigurationStates
from metalev.adapters.kubernetes.errors import ApiError
from metalev.adapters.kubernetes.l2status import NAME_LABEL, NAMESPACE_LABEL, NODE_LABEL, L2Statuses
from metalev.adapters.kubernetes.troubles import Troubles
from metalev.adapters.kubernetes.upkeep import Upkeep
from metalev.model.actions import Configuration
from metalev.model.meta import Name

WEB, API = Name("shop", "web"), Name("shop", "api")
PATIENCE = 60.0


class Objects:
    """Objects by path, and whoever watches them."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.writes = 0
        self.watcher: Any = None
        self.failing = 0
        self._number = 0
        self._lock = threading.RLock()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        with self._lock:
            if path in self.stored:
                return json.dumps(self.stored[path]).encode()
            items = [one for key, one in self.stored.items() if key.rpartition("/")[0] == path]
            if not items and not path.endswith("servicel2statuses"):
                raise ApiError(404, "NotFound", path)
            wanted = (query or {}).get("labelSelector", "").partition("=")[2]
            items = [one for one in items if not wanted or one["metadata"]["labels"][NODE_LABEL] == wanted]
            return json.dumps({"metadata": {}, "items": items}).encode()

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        with self._lock:
            self._write()
            self._number += 1
            name = body["metadata"].get("name") or f"l2-{self._number}"
            made = {**body, "metadata": {**body["metadata"], "name": name}}
            self.stored[f"{path}/{name}"] = made
            return self._show(made)

    def patch(self, path: str, body: Mapping[str, Any], _kind: str) -> bytes:
        with self._lock:
            self._write()
            key = path.removesuffix("/status")
            self.stored[key] = {**self.stored[key], **body}
            return self._show(self.stored[key])

    def delete(self, path: str) -> bytes:
        with self._lock:
            gone = self.stored.pop(path)
            if self.watcher is not None:
                self.watcher.drop(json.dumps(gone).encode())
            return b"{}"

    def until(self, holds: Callable[[], bool]) -> None:
        end = monotonic() + PATIENCE
        while not holds():
            assert monotonic() < end, self.stored
            threading.Event().wait(0.002)

    def _write(self) -> None:
        self.writes += 1
        if self.failing:
            self.failing -= 1
            raise ApiError(500, "InternalError", "etcd")

    def _show(self, one: Mapping[str, Any]) -> bytes:
        raw = json.dumps(one).encode()
        if self.watcher is not None:
            self.watcher.take(raw)
        return raw


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Objects:
    monkeypatch.setattr(upkeep, "BACKOFF_SECONDS", (0.001, 0.01))
    return Objects()


class Clock:
    def now(self) -> float:
        return 0.0

    def wall(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def statuses(objects: Objects) -> Iterator[L2Statuses]:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "speaker-1", "uid": "uid-1"}
    made = L2Statuses(cast("Api", objects), "metallb-system", "node1", lambda: owner, Troubles())
    objects.watcher = made
    yield from ended(made)


@pytest.fixture
def configuration(objects: Objects) -> Iterator[ConfigurationStates]:
    made = ConfigurationStates(cast("Api", objects), "metallb-system", "controller", Clock(), Troubles())
    objects.watcher = made
    yield from ended(made)


def ended(made: Any) -> Iterator[Any]:
    yield made
    cast("Upkeep[Any]", made).stop(PATIENCE)


def said(objects: Objects) -> dict[tuple[str, str], Any]:
    """Node and Service of each object, and its interfaces."""
    return {
        (one["status"]["node"], one["status"]["serviceName"]): [each["name"] for each in one["status"]["interfaces"]]
        for one in objects.stored.values()
        if one.get("status")
    }


def put(objects: Objects, of: str, service: Name, **status: Any) -> str:
    labels = {NODE_LABEL: of, NAME_LABEL: service.name, NAMESPACE_LABEL: service.namespace}
    path = f"/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses/of-{of}-{service.name}"
    objects.stored[path] = {"metadata": {"name": path.rpartition("/")[2], "labels": labels}, "status": status}
    return path


def test_each_service_that_is_announced_has_an_object(objects: Objects, statuses: L2Statuses) -> None:
    statuses.want({WEB: (), API: ("eth0",)})
    objects.until(lambda: said(objects) == {("node1", "web"): [], ("node1", "api"): ["eth0"]})
    assert all(one["metadata"]["ownerReferences"][0]["uid"] == "uid-1" for one in objects.stored.values())


def test_those_of_a_former_announcer_and_those_no_longer_announced_go(objects: Objects, statuses: L2Statuses) -> None:
    put(objects, "node2", WEB, node="node2", serviceName="web", serviceNamespace="shop", interfaces=[])
    other = put(objects, "node2", API, node="node2", serviceName="api", serviceNamespace="shop", interfaces=[])
    statuses.want({WEB: ()})
    objects.until(lambda: set(said(objects)) == {("node1", "web"), ("node2", "api")})
    statuses.want({})
    objects.until(lambda: set(objects.stored) == {other})


def test_one_that_was_made_without_its_status_gets_it(objects: Objects, statuses: L2Statuses) -> None:
    put(objects, "node1", WEB)  # the speaker ended between two requests
    statuses.want({WEB: ()})
    objects.until(lambda: said(objects) == {("node1", "web"): []})
    assert len(objects.stored) == 1


def test_whoever_deletes_one_finds_it_again(objects: Objects, statuses: L2Statuses) -> None:
    statuses.want({WEB: ()})
    objects.until(lambda: statuses._said == {WEB: ()})
    objects.delete(next(iter(objects.stored)))
    objects.until(lambda: set(said(objects)) == {("node1", "web")})


def test_whoever_edits_one_finds_it_as_it_was(objects: Objects, statuses: L2Statuses) -> None:
    statuses.want({WEB: ("eth0",)})
    objects.until(lambda: statuses._said == {WEB: ("eth0",)})
    (path,) = objects.stored
    wrong = {"node": "node9", "serviceName": "web", "serviceNamespace": "shop", "interfaces": []}
    objects.patch(f"{path}/status", {"status": wrong}, "")
    objects.until(lambda: said(objects) == {("node1", "web"): ["eth0"]})


def test_what_fails_is_tried_again(objects: Objects, statuses: L2Statuses) -> None:
    objects.failing = 4
    statuses.want({WEB: ()})
    objects.until(lambda: said(objects) == {("node1", "web"): []})


def result(objects: Objects) -> str:
    return str(next(iter(objects.stored.values()), {}).get("status", {}).get("result", ""))


def test_what_is_made_of_the_configuration_is_there_whoever_spoils_it(
    objects: Objects, configuration: ConfigurationStates
) -> None:
    configuration.want(Configuration())
    objects.until(lambda: result(objects) == "Valid")
    path = next(iter(objects.stored))
    objects.patch(f"{path}/status", {"status": {"result": "Invalid", "conditions": []}}, "")
    objects.until(lambda: result(objects) == "Valid")
    objects.delete(path)
    objects.until(lambda: result(objects) == "Valid")


def test_what_a_speaker_makes_of_it_goes_with_its_node(objects: Objects) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "uid-1"}
    made = ConfigurationStates(cast("Api", objects), "metallb-system", "node1", Clock(), Troubles(), owner=lambda: node)
    made.want(Configuration())
    objects.until(lambda: result(objects) == "Valid")
    made.stop(PATIENCE)
    (stored,) = objects.stored.values()
    assert stored["metadata"]["ownerReferences"] == [node]


def test_what_is_said_already_is_not_written_again(objects: Objects, configuration: ConfigurationStates) -> None:
    configuration.want(Configuration())
    objects.until(lambda: result(objects) == "Valid")
    configuration.stop(PATIENCE)
    writes = objects.writes
    again = ConfigurationStates(cast("Api", objects), "metallb-system", "controller", Clock(), Troubles())
    again.want(Configuration())
    again.stop(PATIENCE)
    assert objects.writes == writes


def test_a_write_that_fails_is_made_up_for(objects: Objects, configuration: ConfigurationStates) -> None:
    objects.failing = 3
    configuration.want(Configuration(("pool main: wrong",)))
    objects.until(lambda: result(objects) == "Invalid")

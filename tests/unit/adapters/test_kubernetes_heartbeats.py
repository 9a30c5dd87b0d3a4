"""Whose Leases somebody who looks reads, and when they were renewed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.fakes.server import Reply, Request, Server

from metalev.adapters.kubernetes import Api
from metalev.adapters.kubernetes import api as module
from metalev.adapters.kubernetes.credentials import Credentials
from metalev.adapters.kubernetes.heartbeats import heartbeats
from metalev.adapters.places import Source
from metalev.model.cluster import Heartbeat

SPEC = {"holderIdentity": "node1", "leaseDurationSeconds": 40, "renewTime": "2026-01-02T03:04:05.500000Z"}


def lease(name: str, **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(lambda _: Reply()) as running:
        monkeypatch.setattr(module, "find", lambda _: Credentials(running.url))
        yield running


def test_each_is_known_by_its_name_with_when_it_was_renewed(server: Server) -> None:
    leases = [lease("speaker-node1", **SPEC), lease("never"), lease("freed", **SPEC | {"holderIdentity": None})]
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        return Reply(body=json.dumps({"items": leases}).encode())

    server.answer = answer
    held = Heartbeat(1767323045.5, "2026-01-02 03:04:05 UTC", 40, "node1")
    assert heartbeats(Api(Source()), "metallb-system") == {
        "speaker-node1": held,
        "freed": Heartbeat(held.renewed, held.stamp, 40, ""),
    }
    assert asked == ["/apis/coordination.k8s.io/v1/namespaces/metallb-system/leases"]


@pytest.mark.parametrize("reply", [Reply(403, b"{}"), Reply(body=b"no JSON")], ids=["refused", "rubbish"])
def test_who_may_not_read_them_looks_without(server: Server, reply: Reply) -> None:
    server.answer = lambda _: reply
    assert heartbeats(Api(Source()), "metallb-system") == {}

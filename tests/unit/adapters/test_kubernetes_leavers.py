"""Services that are load balancers no longer: looked up by name, and all of them by whoever takes office."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.harness import Recorder
from tests.fakes.server import Reply, Request, Server, status

from metalev.adapters.codec import Codec
from metalev.adapters.kubernetes import Api, leavers
from metalev.adapters.kubernetes import api as module
from metalev.adapters.kubernetes.credentials import Credentials
from metalev.adapters.kubernetes.leavers import Leavers
from metalev.adapters.kubernetes.mirror import Mirror
from metalev.adapters.places import Source
from metalev.model.meta import Kind, Name, ObjectKey

POOL = "metallb.io/ip-allocated-from-pool"


def service(name: str, **metadata: Any) -> dict[str, Any]:
    """One of another type; what it carries otherwise."""
    found = {"name": name, "namespace": "shop", "resourceVersion": "7", "uid": name, **metadata}
    return {"metadata": found, "spec": {"type": "ClusterIP", "ports": [{"port": 80}]}, "status": {}}


MARKED = service("marked", annotations={POOL: "main"})
WAITED = service("waited") | {
    "status": {"conditions": [{"type": "metalev.io/AddressAssigned", "status": "False", "reason": "x", "message": "y"}]}
}
PLAIN = service("plain", annotations={"example.com/note": "metallb"})


class Office:
    """What takes office, against an API server with two pages of Services."""

    def __init__(self, server: Server) -> None:
        self.seen, self.asked = Recorder(), list[Request]()
        self.failures: list[Reply] = []
        server.answer = self._answer
        mirror = Mirror(Codec("metallb-system"), [Kind.SERVICE], controller=True)
        mirror.open(self.seen)
        self.leavers = Leavers(Api(Source()), mirror, threading.Event())
        threading.Thread(target=self.leavers.run, daemon=True).start()

    def _answer(self, request: Request) -> Reply:
        self.asked.append(request)
        if self.failures:
            return self.failures.pop()
        first = "continue" not in request.query
        page = {"metadata": {"resourceVersion": "9", "continue": "more" if first else ""}}
        return Reply(body=json.dumps(page | {"items": [MARKED, PLAIN] if first else [WAITED]}).encode())

    def found(self) -> list[str]:
        return sorted(key.name.name for key in self.seen.objects)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(leavers, "RETRY_SECONDS", 0.0)
    with Server(lambda _: Reply()) as running:
        monkeypatch.setattr(module, "find", lambda _: Credentials(running.url))
        made = Office(running)
        yield made
        made.leavers.end()


def test_whoever_takes_office_finds_those_that_carry_something_of_ours(office: Office) -> None:
    office.leavers.look_back()
    office.seen.until(lambda: len(office.seen.objects) == 2)
    assert office.found() == ["marked", "waited"]
    assert {request.query["fieldSelector"] for request in office.asked} == {"spec.type!=LoadBalancer"}
    assert [request.query["limit"] for request in office.asked] == ["500", "500"]


def test_what_the_api_server_refuses_is_asked_for_again(office: Office) -> None:
    office.failures = [Reply(403, status(403, "Forbidden"))] * 2
    office.leavers.look_back()
    office.seen.until(lambda: len(office.seen.objects) == 2)


def test_one_that_the_watch_shows_no_longer_is_looked_up_by_its_name(office: Office) -> None:
    office.leavers.add(Name("shop", "marked"))
    office.seen.until(lambda: ObjectKey(Kind.SERVICE, Name("shop", "marked")) in office.seen.objects)
    assert [request.query for request in office.asked] == [{"fieldSelector": "metadata.name=marked"}]

"""Drills on an API server: what a command that was killed has left is cleared away by the next one."""

import json
from collections.abc import Iterator

import pytest
from tests.fakes.server import Reply, Request, Server, status

from metalev.adapters.kubernetes import Api
from metalev.adapters.kubernetes import api as module
from metalev.adapters.kubernetes.credentials import Credentials
from metalev.adapters.kubernetes.drills import ApiDrills
from metalev.adapters.places import Source
from metalev.model.drills import Drill
from metalev.model.meta import Name

DRILLS = "/apis/metalev.io/v1alpha1/namespaces/metallb-system/drills"
NEW = Drill(Name("metallb-system", "drill-new"))


def made(name: str, at: str) -> dict[str, object]:
    return {"metadata": {"name": name, "creationTimestamp": f"2026-01-02T{at}Z"}}


def answer(request: Request) -> Reply:
    new = made("drill-new", "03:10:00")
    if request.method == "POST":
        return Reply(201, json.dumps(new).encode())
    items = [made("drill-old", "03:04:59"), made("drill-recent", "03:05:01"), new]
    return Reply(body=json.dumps({"items": items}).encode())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(answer) as running:
        monkeypatch.setattr(module, "find", lambda _: Credentials(running.url))
        yield running


def test_what_is_older_than_five_minutes_by_the_servers_clock_is_removed_and_nothing_else(server: Server) -> None:
    ApiDrills(Api(Source())).order(NEW)
    assert [(one.method, one.path) for one in server.asked] == [
        ("POST", DRILLS),
        ("GET", DRILLS),
        ("DELETE", f"{DRILLS}/drill-old"),
    ]


def test_who_may_not_list_drills_drills_all_the_same(server: Server) -> None:
    server.answer = lambda one: answer(one) if one.method == "POST" else Reply(403, status(403, "Forbidden"))
    ApiDrills(Api(Source())).order(NEW)
    assert [one.method for one in server.asked] == ["POST", "GET"]

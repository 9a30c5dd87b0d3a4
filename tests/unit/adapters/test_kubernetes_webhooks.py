"""MetalLB's webhook configuration: removed where its server was ours to replace, and only there."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from tests.fakes.server import Reply, Request, Server, status

from metalev.adapters.kubernetes import Api
from metalev.adapters.kubernetes import api as module
from metalev.adapters.kubernetes.credentials import Credentials
from metalev.adapters.kubernetes.errors import ApiError
from metalev.adapters.kubernetes.webhooks import PATH, remove_metallbs_webhooks
from metalev.adapters.places import Source

OURS = "metallb-system"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(lambda _: Reply(404, status(404, "NotFound"))) as running:
        monkeypatch.setattr(module, "find", lambda _: Credentials(running.url))
        yield running


def remove(server: Server) -> list[tuple[str, str]]:
    """What is asked for it."""
    remove_metallbs_webhooks(Api(Source()), OURS)
    return [(request.method, request.path) for request in server.asked]


def pointing_to(*namespaces: str) -> Reply:
    hooks = [{"name": f"{n}.it", "clientConfig": {"service": {"namespace": n, "name": "it"}}} for n in namespaces]
    return Reply(body=json.dumps({"webhooks": hooks}).encode())


@pytest.mark.parametrize("namespaces", [(OURS,), ("another", OURS)])
def test_webhooks_that_point_to_our_namespace_are_deleted(
    server: Server, namespaces: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "metalev.kubernetes")
    server.answer = lambda _: pointing_to(*namespaces)
    assert remove(server) == [("GET", PATH), ("DELETE", PATH)]
    assert "removed MetalLB's metallb-webhook-configuration" in caplog.text


@pytest.mark.parametrize(
    "found",
    [
        pointing_to("another"),
        pointing_to(),
        Reply(body=b'{"webhooks": null}'),
        Reply(body=b'{"webhooks": [{"clientConfig": {"url": "https://192.0.2.1/"}}]}'),
        Reply(404, status(404, "NotFound")),
    ],
    ids=["another namespace", "no webhook", "null", "an address", "none"],
)
def test_what_is_not_in_our_way_stays(server: Server, found: Reply) -> None:
    server.answer = lambda _: found
    assert remove(server) == [("GET", PATH)]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_without_the_right_to_it_there_is_only_a_warning(
    server: Server, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(request: Request) -> Reply:
        return Reply(403, status(403, "Forbidden")) if request.method == method else pointing_to(OURS)

    server.answer = answer
    assert remove(server)[-1] == (method, PATH)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith("cannot see whether MetalLB left its webhooks")


def test_webhooks_that_somebody_else_deletes_first_are_gone_as_well(server: Server) -> None:
    server.answer = lambda asked: pointing_to(OURS) if asked.method == "GET" else Reply(404, status(404, "NotFound"))
    assert remove(server) == [("GET", PATH), ("DELETE", PATH)]


def test_any_other_refusal_is_an_error(server: Server) -> None:
    server.answer = lambda _: Reply(500, b"oops")
    with pytest.raises(ApiError, match="500 oops"):
        remove(server)

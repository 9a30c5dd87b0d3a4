"""What is wrong, told once."""

from __future__ import annotations

import logging

import pytest
from tests.fakes.clock import VirtualClock
from tests.fakes.server import Reply, Request, Server, status
from tests.unit.decide.worlds import service

from metalev.adapters.kubernetes import CONTROLLER, Api, KubernetesCluster, api
from metalev.adapters.kubernetes.credentials import Credentials
from metalev.adapters.kubernetes.errors import ApiError, Unreachable, Unusable, cause_of
from metalev.adapters.kubernetes.troubles import Troubles
from metalev.adapters.places import Source
from metalev.model.services import ServiceStatus


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def lines(told: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().removesuffix("; what was read before stays in force") for record in told.records]


def test_what_many_suffer_from_is_one_line_and_so_is_its_end(told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for part in "abc":
        troubles.note(part, "nobody answers")
    for part in "abc":
        troubles.over(part)
    assert lines(told) == ["nobody answers", "over: nobody answers"]


def test_what_comes_and_goes_before_it_is_over_is_told_once(told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for message in ("refused", "reset", "refused", "reset", "500", "refused"):
        troubles.note("a", message)
    troubles.over("a")
    assert lines(told) == ["refused", "reset", "500", "over: refused; reset; 500"]


def test_what_was_under_way_before_a_trouble_does_not_end_it(told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    before = troubles.noted("a")
    troubles.note("a", "refused")
    troubles.over("a", before)
    troubles.note("a", "refused")
    troubles.over("a", troubles.noted("a"))
    assert lines(told) == ["refused", "over: refused"]


def test_many_that_are_refused_each_in_its_own_words_are_one_line(told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for part in ("services", "nodes", "pods"):
        error = ApiError(403, "Forbidden", f"{part} is forbidden")
        troubles.note(part, str(error), cause_of(error))
    assert troubles.first() == "services is forbidden"
    for part in ("services", "nodes", "pods"):
        troubles.over(part)
    assert lines(told) == ["services is forbidden", "over: services is forbidden"]


def test_a_server_that_does_not_answer_is_one_line_however_it_fails_to(told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for message in ("connection refused", "timed out", "reset"):
        troubles.note(message, message, cause_of(Unreachable(message)))
    assert lines(told) == ["connection refused"]


@pytest.mark.parametrize(
    "error",
    [
        ApiError(404, "NotFound", "no such resource"),
        ApiError(403, "Forbidden", "it is being terminated", causes=frozenset({"NamespaceTerminating"})),
        Unusable("it ends every watch at once"),
    ],
)
def test_what_concerns_one_object_or_says_something_else_is_a_line_of_its_own(error: Exception) -> None:
    assert cause_of(error) == ""


def test_what_one_suffers_from_for_ever_does_not_hide_the_end_of_others(told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.note("a", "forbidden")
    troubles.note("b", "nobody answers")
    troubles.over("b")
    troubles.over("b")
    assert lines(told) == ["forbidden", "nobody answers", "over: nobody answers"]
    assert troubles.first() == "forbidden"


def test_what_is_over_is_news_when_it_comes_again(told: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for _ in range(2):
        troubles.note("a", "nobody answers")
        troubles.over("a")
    assert lines(told) == ["nobody answers", "over: nobody answers"] * 2


def test_who_stands_by_does_not_complain_for_ever_of_what_he_could_not_write(
    told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(lambda _: Reply(500, status(500, "InternalError", "etcd"))) as server:
        monkeypatch.setattr(api, "find", lambda _: Credentials(server.url))
        cluster = KubernetesCluster(Api(Source()), VirtualClock(), namespace="metallb-system", writer=CONTROLLER)
        cluster._mirror.open(lambda _: None)
        with pytest.raises(ApiError) as caught:
            cluster.write_service_status(service("web"), ServiceStatus())
        cluster.stand_by()
        cluster.stop()
    assert caught.value.told
    wrong = f"the API server {server.url} answers 500 etcd"
    assert lines(told) == [wrong, f"over: {wrong}"]


def test_the_server_need_not_decode_a_services_patch_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    queries: list[dict[str, str]] = []

    def answer(request: Request) -> Reply:
        queries.append(request.query)
        return Reply(500, status(500, "InternalError", "etcd"))

    with Server(answer) as server:
        monkeypatch.setattr(api, "find", lambda _: Credentials(server.url))
        cluster = KubernetesCluster(Api(Source()), VirtualClock(), namespace="metallb-system", writer=CONTROLLER)
        cluster._mirror.open(lambda _: None)
        with pytest.raises(ApiError):
            cluster.write_service_status(service("web"), ServiceStatus())
        cluster.stop()
    assert queries == [{"fieldValidation": "Ignore"}]


def test_one_write_that_is_not_answered_is_everyday_life_and_the_next_one_is_not(
    told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(lambda _: Reply(200)) as server:
        url = server.url
    monkeypatch.setattr(api, "find", lambda _: Credentials(url))
    cluster = KubernetesCluster(Api(Source()), VirtualClock(), namespace="metallb-system", writer=CONTROLLER)
    cluster._mirror.open(lambda _: None)
    for lines_told in (0, 1, 1):
        with pytest.raises(Unreachable) as caught:
            cluster.write_service_status(service("web"), ServiceStatus())
        assert caught.value.told
        assert len(lines(told)) == lines_told
    cluster.stop()

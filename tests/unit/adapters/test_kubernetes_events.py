"""Events on an API server: created once, counted, and let go of."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.errors import ApiError, Unreachable
from metalev.adapters.kubernetes.events import EventRecorder
from metalev.model.actions import Event, EventType
from metalev.model.errors import StaleWrite
from metalev.model.meta import Kind, Name, ObjectKey

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WEB = ObjectKey(Kind.SERVICE, Name("shop", "web"))


class Events:
    """The events of an API server, by path."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.asked: list[Mapping[str, str] | None] = []
        """The query of each creation."""
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None) -> bytes:
        self._call("POST")
        self.asked.append(query)
        with self._lock:
            key = f"{path}/{body['metadata']['name']}"
            if key in self.stored:
                raise ApiError(409, "AlreadyExists", "there is one")
            self.stored[key] = dict(body)
        return b"{}"

    def get(self, path: str) -> bytes:
        self._call("GET")
        return msgspec.json.encode(self.stored[path])

    def patch(self, path: str, body: Mapping[str, Any], _kind: str) -> bytes:
        self._call("PATCH")
        if path not in self.stored:
            raise ApiError(404, "NotFound", "the server forgot it")
        self.stored[path].update(body)
        return b"{}"

    def counts(self) -> list[int]:
        return sorted(one["count"] for one in self.stored.values())

    def _call(self, verb: str) -> None:
        self.calls.append(verb)
        if self.error is not None:
            raise self.error


@pytest.fixture
def server() -> Events:
    return Events()


def recorder(server: Events, uid: str = "uid-1") -> EventRecorder:
    return EventRecorder(cast("Api", server), lambda _: uid)


def event(message: str = "words", on: ObjectKey = WEB) -> Event:
    return Event(on, EventType.WARNING, "AllocationFailed", message, "metallb-controller")


def test_the_server_need_not_decode_an_event_twice(server: Events) -> None:
    recorder(server).record(event(), NOW)
    assert server.asked == [{"fieldValidation": "Ignore"}]


def test_an_event_is_created_once_and_then_counted(server: Events) -> None:
    record = recorder(server)
    for _ in range(3):
        record.record(event(), NOW)
    (stored,) = server.stored.values()
    assert (stored["count"], stored["involvedObject"]["uid"]) == (3, "uid-1")
    assert server.calls == ["POST", "PATCH", "PATCH"]


def test_other_words_are_another_event_and_so_is_another_object_of_the_same_name(server: Events) -> None:
    recorder(server).record(event("one thing"), NOW)
    recorder(server).record(event("another"), NOW)
    recorder(server, "uid-2").record(event("another"), NOW)
    assert server.counts() == [1, 1, 1]


def test_a_speakers_event_says_on_which_node_and_meets_the_same_words_of_another(server: Events) -> None:
    for node in ("node-a", "node-b"):
        EventRecorder(cast("Api", server), lambda _: "uid-1", node).record(event(), NOW)
    (stored,) = server.stored.values()
    assert stored["source"] == {"component": "metallb-controller", "host": "node-a"}
    assert (stored["reportingInstance"], stored["count"]) == ("node-a", 2)


def test_the_controllers_event_names_no_node(server: Events) -> None:
    recorder(server).record(event(), NOW)
    (stored,) = server.stored.values()
    assert stored["source"] == {"component": "metallb-controller"}
    assert stored["reportingInstance"] == ""


def test_a_successor_counts_on(server: Events) -> None:
    recorder(server).record(event(), NOW)
    recorder(server).record(event(), NOW)
    assert server.counts() == [2]


def test_what_the_server_forgot_is_created_again(server: Events) -> None:
    record = recorder(server)
    record.record(event(), NOW)
    server.stored.clear()
    record.record(event(), NOW)
    assert server.counts() == [1]


def test_an_object_that_is_not_known_has_no_uid_rather_than_an_empty_one(server: Events) -> None:
    recorder(server, "").record(event(), NOW)
    (stored,) = server.stored.values()
    assert "uid" not in stored["involvedObject"]


def test_two_threads_that_tell_the_same_count_it_twice(server: Events) -> None:
    record, start = recorder(server), threading.Barrier(8)

    def tell() -> None:
        start.wait(10)
        for _ in range(25):
            record.record(event(), NOW)

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert server.counts() == [200]


@pytest.mark.parametrize(
    "error",
    [
        ApiError(403, "Forbidden", "it is being terminated", causes=frozenset({"NamespaceTerminating"})),
        ApiError(404, "NotFound", 'namespaces "shop" not found', causes=frozenset({"namespaces"})),
    ],
)
def test_in_a_namespace_that_ends_nothing_is_told_any_more(server: Events, error: ApiError) -> None:
    server.error = error
    recorder(server).record(event(), NOW)
    assert server.stored == {}


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (ApiError(403, "Forbidden", 'cannot create resource "events" in the namespace "shop"'), ApiError),
        (ApiError(500, "InternalError", "etcd"), ApiError),
        (Unreachable("nobody answers"), Unreachable),
        (ApiError(422, "Invalid", "the name is too long"), StaleWrite),
    ],
)
def test_a_refusal_is_told_for_what_it_is(server: Events, error: Exception, becomes: type[Exception]) -> None:
    server.error = error
    with pytest.raises(becomes):
        recorder(server).record(event(), NOW)


def test_the_longest_name_of_an_object_makes_a_name_for_an_event(server: Events) -> None:
    recorder(server).record(event(on=ObjectKey(Kind.POOL, Name("metallb-system", "p" * 253))), NOW)
    (path,) = server.stored
    assert len(path.rpartition("/")[2]) == 253


def test_thousands_of_events_are_not_remembered_for_ever(server: Events) -> None:
    record = recorder(server)
    for number in range(5000):
        record.record(event(str(number)), NOW)
    record.record(event("0"), NOW)  # forgotten here, and found there
    assert server.counts()[-1] == 2

"""A list and its watches, against an API server that does whatever one may do."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest

from metalev.adapters.codec.decode import Json
from metalev.adapters.kubernetes import reflector as module
from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.errors import ApiError, Unreachable
from metalev.adapters.kubernetes.reflector import Reflector
from metalev.adapters.kubernetes.resources import Resource, resource
from metalev.adapters.kubernetes.troubles import Troubles
from metalev.model.meta import Kind, Name, ObjectKey

NODES = Resource("/api/v1/nodes")
BOOKMARK = b'{"type":"BOOKMARK","object":{"kind":"Node","apiVersion":"v1","metadata":{"resourceVersion":"77"}}}'


def page(version: str, *names: str, then: str = "") -> bytes:
    metadata = {"resourceVersion": version, **({"continue": then} if then else {})}
    return json.dumps({"metadata": metadata, "items": [node(name, version) for name in names]}).encode()


def node(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


def event(kind: str, name: str, version: str) -> bytes:
    return json.dumps({"type": kind, "object": node(name, version)}).encode()


def error(code: int) -> bytes:
    status = {"kind": "Status", "code": code, "reason": "Expired" if code == 410 else "Other", "message": "words"}
    return json.dumps({"type": "ERROR", "object": status}).encode()


class Script:
    """An API server that answers lists and watches in turn, and ends the program when there are no more watches."""

    host = "https://api"

    def __init__(self, *lists: bytes | Exception, watches: Sequence[Sequence[bytes | Exception]]) -> None:
        self.stop = threading.Event()
        self.asked: list[tuple[str, str]] = []
        self.queries: list[Mapping[str, str]] = []
        self.watched: list[Mapping[str, str]] = []
        self._lists, self._watches = deque(lists), deque(watches)

    def get(self, _path: str, query: Mapping[str, str]) -> bytes:
        self.asked.append(("list", query.get("continue", "")))
        self.queries.append(dict(query))
        answer = self._lists.popleft() if len(self._lists) > 1 else self._lists[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @contextmanager
    def lines(self, _path: str, query: Mapping[str, str], _silence: float) -> Iterator[Iterator[bytes]]:
        self.asked.append(("watch", query["resourceVersion"]))
        self.watched.append(dict(query))
        said = self._watches.popleft()
        if not self._watches:
            self.stop.set()
        if said and isinstance(said[0], ApiError):
            raise said[0]
        yield self._say(said)

    @staticmethod
    def _say(said: Sequence[bytes | Exception]) -> Iterator[bytes]:
        for one in said:
            if isinstance(one, Exception):
                raise one
            yield one


class World:
    """What came of it."""

    def __init__(self) -> None:
        self.there: list[str] = []
        self.lists: list[list[str]] = []

    def take(self, raw: Json) -> ObjectKey:
        name = json.loads(bytes(raw))["metadata"]["name"]
        self.there = sorted({*self.there, name})
        return ObjectKey(Kind.NODE, Name("", name))

    def drop(self, raw: Json) -> None:
        self.there.remove(json.loads(bytes(raw))["metadata"]["name"])

    def listed(self, seen: list[ObjectKey], _version: str) -> None:
        self.there = sorted(key.name.name for key in seen)
        self.lists.append(self.there)

    def restored(self) -> None:
        self.there = ["restored"]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The lower bounds of all pauses, which take no time."""
    made: list[float] = []

    def between(low: float, _high: float) -> float:
        made.append(low)
        return 0.0 if low < module.WATCH_SECONDS[0] else low

    monkeypatch.setattr(module, "between", between)
    return made


def run(script: Script, resource: Resource = NODES) -> World:
    world = World()
    Reflector(cast("Api", script), resource, world, Troubles(), script.stop).run()
    return world


def test_a_list_comes_in_pages() -> None:
    script = Script(page("7", "a", then="more"), page("7", "b"), watches=[[]])
    assert run(script).lists == [["a", "b"]]
    assert script.asked == [("list", ""), ("list", "more"), ("watch", "7")]
    assert [query["limit"] for query in script.queries] == ["500", "500"]


def test_a_list_that_began_late_enough_is_not_asked_for_again() -> None:
    world, script = World(), Script(page("7", "node1"), watches=[])
    reflector = Reflector(cast("Api", script), NODES, world, Troubles(), script.stop)
    before = time.monotonic()
    reflector.list(before)
    reflector.list(before)
    assert len(script.asked) == 1
    reflector.list(time.monotonic())
    assert len(script.asked) == 2


def test_a_list_that_failed_is_none() -> None:
    world, script = World(), Script(Unreachable("nobody answers"), page("7", "node1"), watches=[])
    reflector = Reflector(cast("Api", script), NODES, world, Troubles(), script.stop)
    before = time.monotonic()
    with pytest.raises(Unreachable):
        reflector.list(before)
    reflector.list(before)
    assert len(script.asked) == 2


def test_a_page_that_came_too_late_costs_one_list_without_pages(caplog: pytest.LogCaptureFixture) -> None:
    late = ApiError(410, "Expired", "the provided continue parameter is too old")
    script = Script(page("7", "a", "gone", then="more"), late, page("9", "a", "b"), watches=[[]])
    assert run(script).lists == [["a", "b"]]
    assert ["limit" in query for query in script.queries] == [True, True, False]
    assert not caplog.records


@pytest.mark.parametrize("status", [403, 404])
def test_of_an_optional_resource_that_is_not_there_nothing_is_there_until_it_is(status: int) -> None:
    missing = ApiError(status, "Missing", "there is no such resource")
    script = Script(missing, page("7", "a"), watches=[[]])
    assert run(script, Resource("/apis/metalev.io", optional=True)).lists == [[], ["a"]]


def test_a_watch_goes_on_from_a_bookmark_which_has_no_name() -> None:
    script = Script(page("7"), watches=[[BOOKMARK], []])
    run(script)
    assert script.asked == [("list", ""), ("watch", "7"), ("watch", "77")]


def test_a_watch_asks_for_bookmarks_so_that_it_goes_on_where_nothing_happened() -> None:
    script = Script(page("7", "a"), watches=[[], []])
    run(script)
    assert [query["allowWatchBookmarks"] for query in script.watched] == ["true", "true"]


def test_of_services_only_those_of_type_load_balancer_are_listed_and_watched() -> None:
    script = Script(page("7", "a"), watches=[[]])
    run(script, resource(Kind.SERVICE, "metallb-system"))
    assert {query["fieldSelector"] for query in (*script.queries, *script.watched)} == {"spec.type=LoadBalancer"}


def test_a_watch_goes_on_where_the_one_before_was_closed() -> None:
    script = Script(page("7", "a"), watches=[[event("ADDED", "b", "8"), event("DELETED", "a", "9")], []])
    assert run(script).there == ["b"]
    assert script.asked == [("list", ""), ("watch", "7"), ("watch", "9")]


def test_a_watch_goes_on_after_the_last_whole_object_when_it_was_cut() -> None:
    broken = Unreachable("the API server broke off")
    script = Script(page("7"), watches=[[event("ADDED", "a", "8"), broken], [event("ADDED", "b", "9")], []])
    assert run(script).there == ["a", "b"]
    assert [version for what, version in script.asked if what == "watch"] == ["7", "8", "9"]


@pytest.mark.parametrize("said", [ApiError(410, "Gone", "too old"), error(410), ApiError(504, "Timeout", "not yet")])
def test_a_version_that_is_too_old_costs_one_list(said: bytes | Exception) -> None:
    script = Script(page("7", "a"), page("9", "b"), watches=[[said], []])
    assert run(script).there == ["b"]
    assert script.asked == [("list", ""), ("watch", "7"), ("list", ""), ("watch", "9")]


def test_a_server_that_never_watches_from_what_it_lists_is_not_asked_without_a_pause(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    script = Script(page("7"), watches=[*[[error(410)] for _ in range(5)], []])
    run(script)
    backoffs = [low for low in pauses if low == 0.5]
    assert len(backoffs) >= 4
    assert caplog.text.count("has no watch of what it listed") == 1


def test_a_store_that_was_restored_from_a_backup_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    too_large = ApiError(504, "Timeout", "Too large resource version")
    script = Script(
        page("100", "a"), page("40", "b"), watches=[[event("ADDED", "c", "120"), too_large], [too_large], []]
    )
    run(script)
    assert caplog.text.count("went back in time") == 1
    assert script.asked[-1] == ("watch", "40")


def test_a_lower_version_alone_is_no_restored_store(caplog: pytest.LogCaptureFixture) -> None:
    expired = ApiError(410, "Expired", "too old resource version")
    world = run(Script(page("100", "a"), page("40", "b"), watches=[[expired], []]))
    assert "went back in time" not in caplog.text
    assert world.there == ["b"]


def test_another_error_in_a_watch_costs_no_list() -> None:
    script = Script(page("7"), watches=[[error(500)], []])
    run(script)
    assert script.asked == [("list", ""), ("watch", "7"), ("watch", "7")]


def test_what_a_person_must_know_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    forbidden = ApiError(403, "Forbidden", "nodes is forbidden")
    run(Script(*[forbidden] * 5, page("7"), watches=[[]]))
    lines = [record.getMessage() for record in caplog.records]
    told = "nodes is forbidden; compare the role with deploy/"
    assert lines == [f"{told}; what was read before stays in force", f"over: {told}"]


def test_a_server_that_ends_every_watch_at_once_is_told_once_and_paused_for(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    script = Script(page("7"), watches=[*[[] for _ in range(6)], [event("ADDED", "a", "8")], []])
    run(script)
    assert len([low for low in pauses if low == 0.5]) >= 6
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "ends every watch at once" in caplog.records[0].getMessage()


def test_the_server_says_when_to_come_again(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    monkeypatch.setattr(module, "between", lambda low, _high: low)
    script = Script(ApiError(429, "TooManyRequests", "later", retry_after=7.0), page("7"), watches=[[]])
    monkeypatch.setattr(script.stop, "wait", waits.append)
    run(script)
    assert waits == [7.0]


def test_a_list_of_rubbish_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    assert run(Script(b"<html>a proxy's error page</html>", page("7", "a"), watches=[[]])).there == ["a"]
    assert "watching /api/v1/nodes failed" in caplog.text

"""Requests to an API server that is slow, busy, forgetful or gone."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.server import Answer, Reply, Request, Server, kubeconfig, status

from metalev.adapters.kubernetes import api as module
from metalev.adapters.kubernetes.api import MERGE, Api
from metalev.adapters.kubernetes.credentials import Credentials
from metalev.adapters.kubernetes.errors import ApiError, Unreachable
from metalev.adapters.places import Source
from metalev.lab.kubernetes.certificates import Certificates

PATIENCE = 60.0


def fine(_: Request) -> Reply:
    return Reply(body=b'{"fine": true}')


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(fine) as running:
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made, each of which takes no time."""
    made: list[float] = []

    def between(low: float, _high: float) -> float:
        made.append(low)
        return 0.0

    monkeypatch.setattr(module, "between", between)
    return made


class Finding:
    """What finds credentials: ``tokens``, one after the other, and the last one for ever."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch, *tokens: str, token_file: str = "") -> None:
        self.tokens, self.times = list(tokens), 0
        self._server, self._token_file = server, token_file
        monkeypatch.setattr(module, "find", self)

    def __call__(self, _: Source) -> Credentials:
        self.times += 1
        token = self.tokens[min(self.times, len(self.tokens)) - 1]
        return Credentials(self._server.url, token=token, token_file=self._token_file)


def connect(server: Server, monkeypatch: pytest.MonkeyPatch, *, timeout: float = PATIENCE) -> Api:
    Finding(server, monkeypatch, "")
    return Api(Source(), timeout=timeout)


def refusing(*wrong: str) -> Any:
    """An answer that takes every token but ``wrong``."""
    refused = {f"Bearer {token}" for token in wrong}

    def answer(request: Request) -> Reply:
        if request.headers.get("Authorization") in refused:
            return Reply(401, status(401, "Unauthorized"))
        return fine(request)

    return answer


def once(first: Reply) -> Any:
    """``first``, and then all is fine."""
    replies = iter([first])
    return lambda request: next(replies, None) or fine(request)


def test_a_server_that_says_later_is_asked_later_and_not_sooner(
    server: Server, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    server.answer = once(Reply(429, status(429, "TooManyRequests"), {"Retry-After": "2"}))
    assert connect(server, monkeypatch).get("/x") == b'{"fine": true}'
    assert pauses == [1.0]  # times the seconds that the server said
    assert len(server.asked) == 2


def test_a_server_that_starts_says_later_too(
    server: Server, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    server.answer = once(Reply(503, status(503, "ServiceUnavailable"), {"Retry-After": "1"}))
    assert connect(server, monkeypatch).get("/x") == b'{"fine": true}'


def test_later_than_the_time_out_is_an_error_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer = lambda _: Reply(429, status(429, "TooManyRequests"), {"Retry-After": "3600"})
    with pytest.raises(ApiError) as caught:
        connect(server, monkeypatch).get("/x")
    assert (caught.value.status, caught.value.retry_after) == (429, 3600)
    assert len(server.asked) == 1


def test_an_error_without_a_time_is_not_asked_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer = lambda _: Reply(500, b"oops")
    with pytest.raises(ApiError, match="GET /x: 500 oops"):
        connect(server, monkeypatch).get("/x")
    assert len(server.asked) == 1


def test_refused_credentials_are_looked_for_once_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding(server, monkeypatch, "old", "new")
    server.answer = refusing("old")
    assert Api(Source()).get("/x") == b'{"fine": true}'
    assert finding.times == 2


def test_credentials_that_are_refused_again_are_left_alone_for_a_while(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Finding(server, monkeypatch, "old")
    server.answer = refusing("old")
    api = Api(Source())
    for _ in range(5):
        with pytest.raises(ApiError):
            api.get("/x")
    assert finding.times == 2


def ask(api: Api) -> bytes:
    return api.get("/x")


def watch(api: Api) -> bytes:
    with api.lines("/x", {}, PATIENCE) as lines:
        return b"".join(lines)


@pytest.mark.parametrize(("way", "answer"), [(ask, fine), (watch, lambda _: Reply(stream=[b"one\n"]))])
def test_a_server_of_another_authority_is_trusted_once_that_is_told(
    way: Callable[[Api], bytes], answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (Certificates(tmp_path / name, ["IP:127.0.0.1"]) for name in ("old", "new"))
    trusted = [old.authority.read_text()]
    with Server(answer, new.server) as running:
        monkeypatch.setattr(module, "find", lambda _: Credentials(running.url, ca=trusted[0]))
        api = Api(Source())
        with pytest.raises(Unreachable, match="certificate verify failed"):
            way(api)
        assert running.asked == []
        monkeypatch.setattr(module, "RENEW_PAUSE_SECONDS", 0.0)
        trusted[0] = new.authority.read_text()
        assert way(api)


def test_many_that_are_refused_at_once_all_get_the_new_credentials(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Finding(server, monkeypatch, "old", "new")
    together = threading.Barrier(4)
    answer = refusing("old")

    def slow(request: Request) -> Reply:
        if request.headers.get("Authorization") == "Bearer old":
            together.wait(PATIENCE)
        reply: Reply = answer(request)
        return reply

    server.answer = slow
    api, got = Api(Source(), timeout=PATIENCE), list[bytes]()
    threads = [threading.Thread(target=lambda: got.append(api.get("/x"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert got == [b'{"fine": true}'] * 4
    assert finding.times == 2


def test_a_write_is_not_sent_after_its_time_because_credentials_took_long(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Finding(server, monkeypatch, "old", "new")
    server.answer = refusing("old")
    api = Api(Source(), timeout=PATIENCE)
    clock = [0.0]
    monkeypatch.setattr("metalev.adapters.kubernetes.api.time.monotonic", lambda: clock[0])

    def slowly(source: Source) -> Credentials:
        clock[0] += 2 * PATIENCE  # an exec plugin that asks a cloud
        return finding(source)

    monkeypatch.setattr(module, "find", slowly)
    with pytest.raises(Unreachable, match="in time"):
        api.patch("/x", {}, MERGE)
    assert [request.headers["Authorization"] for request in server.asked] == ["Bearer old"]


def test_an_exec_plugin_is_asked_for_a_new_token(server: Server, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!/bin/sh\necho x >>{tmp_path}/calls\nn=$(wc -l <{tmp_path}/calls)\n"
        'echo "{\\"apiVersion\\": \\"client.authentication.k8s.io/v1\\", \\"kind\\": \\"ExecCredential\\",'
        ' \\"status\\": {\\"token\\": \\"token-$n\\"}}"\n'
    )
    plugin.chmod(0o755)
    how = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    user = {"exec": {**how, "command": str(plugin)}}
    config = tmp_path / "kubeconfig"
    config.write_text(kubeconfig(server.url, user))
    server.answer = refusing("token-1")
    assert Api(Source(str(config)), timeout=60).get("/x") == b'{"fine": true}'
    assert [request.headers["Authorization"] for request in server.asked] == ["Bearer token-1", "Bearer token-2"]


def test_a_token_in_a_file_is_read_again(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("second\n")
    Finding(server, monkeypatch, "first", token_file=str(path))
    api = Api(Source())
    api.get("/x")
    monkeypatch.setattr("metalev.adapters.kubernetes.connections.TOKEN_SECONDS", -1.0)
    api.get("/x")
    path.unlink()  # for a moment there is none
    api.get("/x")
    assert [request.headers["Authorization"] for request in server.asked] == [
        "Bearer first",
        "Bearer second",
        "Bearer second",
    ]


def test_a_write_without_an_answer_may_arrive_yet(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    api = connect(server, monkeypatch, timeout=0.2)
    held = threading.Event()

    def late(request: Request) -> Reply:
        held.wait(PATIENCE)
        return fine(request)

    server.answer = late
    with pytest.raises(Unreachable):
        api.get("/x")
    settled = [api.settled]
    with pytest.raises(Unreachable):
        api.patch("/x", {}, MERGE)
    held.set()
    assert [*settled, api.settled] == [True, False]


def test_a_write_that_nobody_took_cannot_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    monkeypatch.setattr(module, "find", lambda _: Credentials(url))
    api = Api(Source())
    with pytest.raises(Unreachable, match="Connection refused"):
        api.patch("/x", {}, MERGE)
    assert api.settled


def test_lines_are_whole_however_they_come(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer = lambda _: Reply(stream=[b'{"a"', b":1}\n{", b'"b":2}\n'])
    with connect(server, monkeypatch).lines("/x", {}, PATIENCE) as lines:
        assert list(map(json.loads, lines)) == [{"a": 1}, {"b": 2}]


def test_a_watch_that_is_cut_is_an_error_after_its_last_whole_line(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda _: Reply(stream=[b'{"a":1}\n{"b"'], cut=True)
    with connect(server, monkeypatch).lines("/x", {}, PATIENCE) as lines:
        assert next(lines) == b'{"a":1}'
        with pytest.raises(Unreachable, match="broke off"):
            next(lines)


def test_a_watch_that_says_nothing_for_too_long_is_broken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()

    def silence() -> Iterator[bytes]:
        yield b'{"a":1}\n'
        held.wait(PATIENCE)

    server.answer = lambda _: Reply(stream=silence())
    with connect(server, monkeypatch).lines("/x", {}, 0.2) as lines:
        assert next(lines) == b'{"a":1}'
        with pytest.raises(Unreachable):
            next(lines)
    held.set()


def test_stop_breaks_a_watch_that_waits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()

    def silence() -> Iterator[bytes]:
        yield b'{"a":1}\n'
        held.wait(PATIENCE)

    server.answer = lambda _: Reply(stream=silence())
    api = connect(server, monkeypatch)
    with api.lines("/x", {}, PATIENCE) as lines:
        assert next(lines) == b'{"a":1}'
        api.stop()
        with pytest.raises(Unreachable, match="broke off"):
            next(lines)
    held.set()
    with pytest.raises(Unreachable), api.lines("/x", {}, PATIENCE):
        pass


def test_a_path_of_the_server_precedes_that_of_every_request(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find", lambda _: Credentials(f"{server.url}/k8s/clusters/c-1"))
    api = Api(Source(), timeout=PATIENCE)
    api.get("/api/v1/nodes", {"limit": "1"})
    api.patch("/api/v1/nodes/n", {}, MERGE)
    with api.lines("/api/v1/pods", {"watch": "1"}, PATIENCE):
        pass
    assert [request.path.removeprefix("/k8s/clusters/c-1/api/v1/") for request in server.asked] == [
        "nodes",
        "nodes/n",
        "pods",
    ]

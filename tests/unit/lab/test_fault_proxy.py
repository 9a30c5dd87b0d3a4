"""The proxy that does to requests what may happen to them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
import urllib3
from tests.fakes.server import Reply, Request, Server

from metalev.lab.kubernetes.faultproxy import Answer, FaultProxy

PATIENCE = 60.0


def echo(request: Request) -> Reply:
    if request.query.get("watch"):
        return Reply(stream=[b'{"type":"ADDED"}\n' * 10])
    return Reply(body=json.dumps([request.method, request.path, request.body.decode()]).encode())


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(echo) as running:
        yield running


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(server.url) as running:
        yield running


def ask(proxy: FaultProxy, path: str = "/x", method: str = "GET", **more: object) -> urllib3.BaseHTTPResponse:
    options = {"retries": False, "timeout": PATIENCE, **more}
    return urllib3.PoolManager().request(method, f"{proxy.url}{path}", **options)  # type: ignore[arg-type]


def test_requests_pass_and_are_counted(proxy: FaultProxy) -> None:
    assert ask(proxy, "/a", "PATCH", body=b"what").json() == ["PATCH", "/a", "what"]
    assert ask(proxy, "/b?limit=5").json() == ["GET", "/b", ""]
    assert [(call.method, call.path, call.status) for call in proxy.calls] == [("PATCH", "/a", 200), ("GET", "/b", 200)]
    assert (proxy.connections, proxy.busiest_second()) == (2, 2)
    assert proxy.asked("PATCH") == [proxy.calls[0]]
    assert proxy.asked(since=monotonic()) == []


def test_one_connection_carries_many_requests(proxy: FaultProxy) -> None:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    for _ in range(3):
        assert pool.request("GET", "/x", timeout=PATIENCE).status == 200
    assert proxy.connections == 1
    pool.close()


def test_an_answer_is_said_instead_for_a_while(proxy: FaultProxy, server: Server) -> None:
    with proxy.answering(Answer(429, "TooManyRequests", retry_after=1), "GET", "^/a"):
        refused = ask(proxy, "/a")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert ask(proxy, "/b").status == 200
    assert ask(proxy, "/a").status == 200
    assert len(server.asked) == 2


def test_what_is_held_back_arrives_when_it_is_released_though_its_client_has_gone(
    proxy: FaultProxy, server: Server
) -> None:
    with proxy.hold("PATCH", "/status$", count=1) as held:
        with pytest.raises(urllib3.exceptions.HTTPError):
            ask(proxy, "/web/status", "PATCH", body=b"late", timeout=0.1)
        (call,) = held.wait_for(1)
        assert ask(proxy, "/web/status", "PATCH", body=b"in time").status == 200
        held.release()
        end = monotonic() + PATIENCE
        while not call.status:
            assert monotonic() < end
            threading.Event().wait(0.01)
    assert [request.body for request in server.asked] == [b"in time", b"late"]


def test_a_watch_is_cut_in_the_middle_of_an_object(proxy: FaultProxy, server: Server) -> None:
    go = threading.Event()

    def objects() -> Iterator[bytes]:
        yield b'{"first":"object, whole"}\n'
        go.wait(PATIENCE)
        yield b'{"second":"object, of which half arrives"}\n'

    server.answer = lambda _: Reply(stream=objects())
    answer = ask(proxy, "/x?watch=1", preload_content=False)
    stream = answer.stream(decode_content=False)
    assert next(stream).startswith(b'{"first"')
    proxy.cut_next_objects()
    proxy._do(go.set)  # after the cut is in place
    with pytest.raises(urllib3.exceptions.ProtocolError):
        next(stream)


def test_watches_are_closed_and_others_left_alone(proxy: FaultProxy, server: Server) -> None:
    go = threading.Event()

    def objects() -> Iterator[bytes]:
        yield b"{}\n"
        go.wait(PATIENCE)

    server.answer = lambda request: Reply(stream=objects()) if request.query else echo(request)
    answer = ask(proxy, "/x?watch=1", preload_content=False)
    stream = answer.stream(decode_content=False)
    assert next(stream) == b"{}\n"
    proxy.close_watches()
    with pytest.raises(urllib3.exceptions.ProtocolError):
        next(stream)
    go.set()
    with proxy.answering(Answer(410, "Expired"), watch=True):
        assert ask(proxy, "/x?watch=1").status == 410
        assert ask(proxy, "/x").status == 200


def test_a_slow_server_is_slow(proxy: FaultProxy) -> None:
    with proxy.slow(0.3), pytest.raises(urllib3.exceptions.HTTPError):
        ask(proxy, timeout=0.1)
    assert ask(proxy).status == 200


def test_without_a_server_connections_end(server: Server, tmp_path: Path) -> None:
    with FaultProxy("http://127.0.0.1:1") as proxy:
        with pytest.raises(urllib3.exceptions.HTTPError):
            ask(proxy)
        config = json.loads(proxy.kubeconfig(tmp_path / "config").read_text())
        assert config["clusters"][0]["cluster"]["server"] == proxy.url

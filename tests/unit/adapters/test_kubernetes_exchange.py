"""Requests and answers over HTTP/1.1, byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from metalev.adapters.kubernetes.exchange import Answer, Broken, Exchange, NotSent

PATIENCE = 60.0
OK = b"HTTP/1.1 200 OK\r\n"


class Server:
    """Gives each request of a connection the next of ``answers``, and ends the connection after the last."""

    def __init__(self, *connections: list[bytes]) -> None:
        self.requests: list[bytes] = []
        self.ended = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections = connections
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def exchange(self) -> Exchange:
        host, port = self._listener.getsockname()
        return Exchange(host, port)

    def _serve(self) -> None:
        for answers in self._connections:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                for answer in answers:
                    self.requests.append(connection.recv(65536))
                    connection.sendall(answer)
            self.ended.release()

    def close(self) -> None:
        self._thread.join(PATIENCE)
        self._listener.close()


@contextmanager
def answering(*connections: list[bytes]) -> Iterator[Server]:
    server = Server(*connections)
    try:
        yield server
    finally:
        server.close()


def ask(exchange: Exchange, method: str = "GET", body: bytes | None = None, rest: float = PATIENCE) -> Answer:
    return exchange.ask(method, "/x", {"Accept": "application/json"}, body, connect=PATIENCE, rest=rest)


def test_a_request_is_one_write_with_its_length() -> None:
    with answering([OK + b"Content-Length: 2\r\n\r\nhi"]) as server:
        assert ask(server.exchange, "PATCH", b"{}") == Answer(200, "OK", {"content-length": "2"}, b"hi")
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"PATCH /x HTTP/1.1"
    assert (b"Content-Length: 2" in head.splitlines(), body) == (True, b"{}")


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        (b"\r\n3\r\nabc\r\n2;note=1\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n", b"abcde"),
        (b"\r\n0\r\n\r\n", b""),
        (b"\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    ],
    ids=["two chunks and a trailer", "nothing", "a hexadecimal size"],
)
def test_chunks_are_put_together(rest: bytes, body: bytes) -> None:
    with answering([OK + b"Transfer-Encoding: chunked\r\n" + rest]) as server:
        assert ask(server.exchange).body == body


def test_a_connection_is_kept_for_the_next_request() -> None:
    answer = OK + b"Content-Length: 0\r\n\r\n"
    with answering([answer, answer]) as server:
        exchange = server.exchange
        assert [ask(exchange).status, ask(exchange).status] == [200, 200]
        exchange.close()


@pytest.mark.parametrize("last", [b"Content-Length: 0\r\nConnection: close\r\n\r\n", b"Content-Length: 0\r\n\r\n"])
def test_a_connection_that_its_server_ends_is_not_asked_again(last: bytes) -> None:
    with answering([OK + last], [OK + last]) as server:
        exchange = server.exchange
        ask(exchange)
        assert server.ended.acquire(timeout=PATIENCE)
        assert ask(exchange).status == 200
        exchange.close()


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    with answering([OK + b"\r\nall of it"]) as server:
        assert ask(server.exchange).body == b"all of it"


def test_what_precedes_an_answer_is_passed_over() -> None:
    with answering([b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\n1"]) as server:
        assert ask(server.exchange).body == b"1"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_is_not_waited_for(status: bytes) -> None:
    with answering([b"HTTP/1.1 " + status + b"\r\n\r\n"]) as server:
        assert ask(server.exchange).body == b""


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 9\r\n\r\nhi",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: two\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhi",
        OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        OK + b"no header\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 fine\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        b"",
    ],
)
def test_what_is_no_whole_answer_is_an_error(answer: bytes) -> None:
    with answering([answer]) as server, pytest.raises(Broken):
        ask(server.exchange)


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_agreed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        with pytest.raises(TimeoutError):
            ask(Exchange(host, port), rest=0.1)


def test_where_nobody_listens_nothing_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
    with pytest.raises(NotSent) as caught:
        ask(Exchange(host, port))
    assert caught.value.strerror == "Connection refused"


def test_a_line_break_in_a_header_is_not_sent() -> None:
    with answering([OK + b"Content-Length: 0\r\n\r\n"]) as server:
        exchange = server.exchange
        with pytest.raises(NotSent):
            exchange.ask("GET", "/x", {"Authorization": "Bearer a\r\nX: b"}, None, connect=PATIENCE, rest=PATIENCE)
        ask(exchange)  # the server waits for somebody

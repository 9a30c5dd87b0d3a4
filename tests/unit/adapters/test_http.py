"""The server of metrics and probes, on loopback."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from metalev.adapters.http import PageServer, program_pages
from metalev.model.errors import StartError


class Program:
    """What the pages ask."""

    def __init__(self) -> None:
        self.alive = True
        self.watching = True
        self.trouble = ""


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
def port(program: Program) -> Iterator[int]:
    pages = program_pages(
        lambda: b"up 1\n", lambda _: program.alive, lambda: program.trouble, lambda _: program.watching
    )
    with PageServer(("127.0.0.1", 0), pages) as server:
        yield server.port


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str, str]:
    connection = HTTPConnection(host, port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    finally:
        connection.close()


def test_metrics_are_served_in_the_text_format_of_prometheus(port: int) -> None:
    assert get(port, "/metrics") == (200, "up 1\n", "text/plain; version=0.0.4; charset=utf-8")


def test_metrics_may_be_asked_for_with_a_query(port: int) -> None:
    assert get(port, "/metrics?x=1")[0] == 200


def test_a_living_loop_is_healthy(port: int) -> None:
    assert get(port, "/healthz")[:2] == (200, "ok\n")


def test_who_does_not_see_changes_is_not_healthy(port: int, program: Program) -> None:
    program.watching = False
    assert get(port, "/healthz")[:2] == (503, "nothing has been looked at for over 60 s\n")


def test_a_stuck_loop_is_not_healthy(port: int, program: Program) -> None:
    program.alive = False
    assert get(port, "/healthz")[:2] == (503, "the loop has been at one step for over 60 s\n")


def test_what_is_missing_is_said_when_not_ready(port: int, program: Program) -> None:
    program.trouble = "no key"
    assert get(port, "/readyz")[:2] == (503, "no key\n")
    program.trouble = ""
    assert get(port, "/readyz")[0] == 200


def test_an_unknown_path_names_those_there_are(port: int) -> None:
    status, body, _ = get(port, "/")
    assert (status, body) == (404, "there are: /metrics /healthz /readyz\n")


def test_other_methods_are_refused(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/metrics")
    assert connection.getresponse().status == 501
    connection.close()


def test_an_empty_host_listens_on_every_address() -> None:
    with PageServer(("", 0), program_pages(lambda: b"up 1\n", lambda _: True, str)) as server:
        assert get(server.port, "/metrics")[0] == 200


def test_a_client_that_says_nothing_keeps_nobody_waiting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        assert get(port, "/healthz")[0] == 200


def test_a_port_in_use_is_one_line_that_says_what_to_do(port: int) -> None:
    with pytest.raises(StartError) as caught:
        PageServer(("127.0.0.1", port), {})
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port} for /metrics: address in use "
        "(another metalev or MetalLB on this host?); choose another with --metrics-address"
    )


def test_an_address_of_somebody_else_is_named() -> None:
    with pytest.raises(StartError, match=r"^cannot listen on 192\.0\.2\.1:80 for /metrics: Cannot assign"):
        PageServer(("192.0.2.1", 80), {})

"""Held connections of a probe, against a server on the loopback interface."""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from metalev.probe.held import CLOSED, Held

PATIENCE = 60
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as made:
        yield made


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(PATIENCE)
        yield made


def turn(selector: selectors.BaseSelector, until: Callable[[], bool]) -> None:
    """Let what is registered work until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline
        for key, _ in selector.select(0.1):
            key.data(key.fileobj, time.monotonic())


@pytest.fixture(params=[False, True], ids=["idle", "echoing"])
def echo(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def held(selector: selectors.BaseSelector, server: socket.socket, echo: bool) -> Iterator[tuple[Held, socket.socket]]:
    one = Held(selector, server.getsockname(), echo=echo)
    with server.accept()[0] as other:
        turn(selector, lambda: one.established)
        yield one, other
    one.close()


def test_a_connection_that_is_reset_is_lost(selector: selectors.BaseSelector, held: tuple[Held, socket.socket]) -> None:
    one, other = held
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    other.close()
    turn(selector, lambda: one.ended is not None)
    assert one.is_lost(time.monotonic())
    assert one.why == "Connection reset by peer"


def test_a_connection_that_the_server_closes_is_lost_only_if_it_should_have_echoed(
    selector: selectors.BaseSelector, held: tuple[Held, socket.socket], echo: bool
) -> None:
    one, other = held
    other.close()
    turn(selector, lambda: one.ended is not None)
    assert (one.why, one.is_lost(time.monotonic())) == (CLOSED, echo)


def test_a_connection_that_lives_is_not_lost(held: tuple[Held, socket.socket]) -> None:
    assert not held[0].is_lost(time.monotonic())


@pytest.mark.parametrize("echo", [False], indirect=True, ids=["idle"])
def test_over_an_idle_connection_nothing_is_sent(held: tuple[Held, socket.socket]) -> None:
    one, other = held
    one.send(time.monotonic())
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(1)


@pytest.mark.parametrize("echo", [True], indirect=True, ids=["echoing"])
def test_an_echo_that_does_not_come_makes_a_connection_lost(
    selector: selectors.BaseSelector, held: tuple[Held, socket.socket]
) -> None:
    one, other = held
    one.send(10.0)
    assert (one.is_lost(10.9), one.is_lost(11.1)) == (False, True)
    other.sendall(other.recv(100))
    turn(selector, lambda: one.longest_silence > 0)
    assert not one.is_lost(99.0)


def test_a_port_that_nobody_serves_establishes_nothing(selector: selectors.BaseSelector) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = server.getsockname()
    one = Held(selector, target, echo=False)
    turn(selector, lambda: one.ended is not None)
    assert (one.established, one.why) == (False, "Connection refused")

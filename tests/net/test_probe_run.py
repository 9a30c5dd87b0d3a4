"""The loop of a probe, against a server on the loopback interface."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from metalev.probe.neighbours import Asker
from metalev.probe.run import Loss, Observer, Plan, Probe

PATIENCE = 60
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """It accepts nothing, but its kernel answers: that is enough of a server to connect to."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as made:
        yield made


@pytest.fixture
def rude(server: socket.socket) -> Iterator[tuple[str, int]]:
    """The address of a server that resets every connection as soon as it has it."""

    def reset_all() -> None:
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            one.close()

    thread = threading.Thread(target=reset_all)
    thread.start()
    yield server.getsockname()
    server.shutdown(socket.SHUT_RDWR)
    thread.join()


class Ending(Observer):
    """Ends its probe when all is held, or after so many losses."""

    def __init__(self, losses: int = 0) -> None:
        self.said: list[str] = []
        self.probe: Probe | None = None
        self._losses = losses

    def answered(self, at: float) -> None:
        self.said.append("answered")
        assert at > 0

    def ready(self) -> None:
        self.said.append("ready")
        if not self._losses:
            self._stop()

    def lost(self, losses: list[Loss]) -> None:
        self._losses -= len(losses)
        if self._losses <= 0:
            self._stop()

    def _stop(self) -> None:
        assert self.probe is not None
        self.probe.stop()


def test_all_that_should_be_held_is_held_from_the_first_answer_on(server: socket.socket) -> None:
    observer = Ending()
    observer.probe = Probe(Plan(server.getsockname(), held=5), observer)
    found = observer.probe.run(PATIENCE)
    assert observer.said == ["answered", "ready"]
    assert (found.held, found.held_lost, found.losses) == (5, 0, ())
    assert found.answered >= 1


def test_a_connection_that_is_lost_is_told_and_replaced(rude: tuple[str, int]) -> None:
    observer = Ending(losses=3)
    observer.probe = Probe(Plan(rude, held=1, replace=True), observer)
    found = observer.probe.run(PATIENCE)
    assert found.held_lost >= 3
    assert {loss.why for loss in found.losses} == {"Connection reset by peer"}


def test_a_connection_that_is_lost_is_lost_once_unless_it_is_replaced(rude: tuple[str, int]) -> None:
    found = Probe(Plan(rude, held=1)).run(1)
    assert found.held_lost <= 1


def test_a_port_that_nobody_serves_refuses_and_is_silent_all_the_time(server: socket.socket) -> None:
    target = server.getsockname()
    server.close()
    found = Probe(Plan(target, held=3)).run(0.2)
    assert found.answered == 0 < found.refused
    assert found.silences.longest.length >= 0.2
    assert found.held == 0


def test_the_segment_is_asked_and_its_answers_are_recorded(server: socket.socket) -> None:
    class Echo:
        """Every question is answered at once."""

        def read(self, now: float) -> None:
            """Nothing arrives later."""

        def ask(self) -> None:
            probe._who(1.0, "02:00:00:00:00:0a")

        def close(self) -> None:
            """Nothing is open."""

    def make(*_: object) -> Asker:
        return Echo()

    probe = Probe(Plan(server.getsockname(), ask_every=0.002), make_asker=make)
    found = probe.run(0.2)
    assert found.answers.asked == found.answers.spans[0].answers >= 1

"""What has died is started again: at once, and not without a pause where it dies at once."""

from __future__ import annotations

import pytest

from metalev.lab.kubernetes.supervisor import Supervisor
from metalev.lab.namespace import LabError


class World:
    """A program that is looked after, and what is said of it."""

    def __init__(self) -> None:
        self.now, self.starts = 0.0, list[float]()
        self.said: list[str] = []
        self._supervisor = Supervisor(self.said.append, lambda: self.now)

    def look(self, *, running: bool, at: float) -> None:
        self.now = at
        self._supervisor.look("etcd", running=running, start=lambda: self.starts.append(self.now))

    def fail(self) -> None:
        def start() -> None:
            raise LabError("no such program")

        self._supervisor.look("etcd", running=False, start=start)


@pytest.fixture
def world() -> World:
    return World()


def test_what_runs_is_left_alone(world: World) -> None:
    world.look(running=True, at=0)
    assert (world.starts, world.said) == ([], [])


def test_what_has_ended_is_started_again_and_said_to_be(world: World) -> None:
    world.look(running=False, at=5)
    assert (world.starts, world.said) == ([5], ["etcd has ended, and is started again"])


def test_what_ends_over_and_over_is_started_after_longer_pauses(world: World) -> None:
    for tenth in range(100):
        world.look(running=False, at=tenth / 10)
    assert world.starts == [0, 1, 3, 7]


def test_what_ran_for_long_is_started_at_once(world: World) -> None:
    for at in (0.0, 1.0, 3.0):
        world.look(running=False, at=at)
    for at in (10.0, 100.0):
        world.look(running=True, at=at)
    for at in (101.0, 102.0):
        world.look(running=False, at=at)
    assert world.starts[-2:] == [101, 102]


def test_what_cannot_be_started_is_said_and_tried_again(world: World) -> None:
    world.fail()
    assert world.said[-1] == "etcd could not be started: no such program"
    world.look(running=False, at=1)
    assert world.starts == [1]

"""A pool that has just come is not missed an advertisement for: one file brings both, in any order."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.decide.controller import Controller
from tests.unit.decide.worlds import name, pool, service, world

from metalev.decide.newcomers import PATIENCE_SECONDS, Newcomers
from metalev.decide.unread import ANNOUNCEABLE
from metalev.model.actions import Action, WriteServiceStatus

START = 1000.0
WHY = "noMatchingAdvertisement: node1"


def new(*, at: float = START) -> Newcomers:
    newcomers = Newcomers()
    newcomers.begin(["old"])
    newcomers.take(["old", "new"], at)
    return newcomers


@pytest.mark.parametrize(
    ("pool_name", "after", "excused"),
    [
        ("new", 0.0, True),
        ("new", 0.9 * PATIENCE_SECONDS, True),
        ("new", PATIENCE_SECONDS, False),
        ("old", 0.0, False),
        ("unknown", 0.0, False),
        ("new", -60.0, False),
    ],
)
def test_a_pool_is_new_for_a_second_and_not_if_the_clock_was_set_back(
    pool_name: str, after: float, excused: bool
) -> None:
    assert new().excuse(pool_name, WHY, START + after) is excused


def test_no_other_reason_waits() -> None:
    assert not new().excuse("new", "noEndpoints: node1", START)


def test_a_pool_that_went_and_came_is_new_again_and_one_that_stays_grows_old() -> None:
    newcomers = new()
    newcomers.take(["new", "newer"], START + 1)
    assert not newcomers.excuse("new", WHY, START + 1)
    newcomers.take(["new", "newer", "old"], START + 1.5)
    assert newcomers.excuse("old", WHY, START + 2)
    assert newcomers.excuse("newer", WHY, START + 1.9)


def test_it_is_known_when_the_next_is_new_no_longer() -> None:
    newcomers = new()
    newcomers.take(["old", "new", "newer"], START + 0.5)
    assert newcomers.next_end(START) == START + PATIENCE_SECONDS
    assert newcomers.next_end(START + 1.2) == START + 0.5 + PATIENCE_SECONDS
    assert newcomers.next_end(START + 2) is None


def pool_that_came() -> Controller:
    """A Service waited; then a pool came, with no advertisement."""
    controller = Controller(service("web"), pools=())
    controller.snapshot = replace(controller.snapshot, l2_advertisements={})
    look(controller, START)
    controller.set_pools(pool("main", "10.0.0.0/30"))
    return controller


def look(controller: Controller, now: float) -> list[Action]:
    """Look at the Service and then at everything, as the program does, and carry out what that brings."""
    done: list[Action] = []
    controller.decider.desired(controller.snapshot, now)
    for one in dict.fromkeys((name("web"), *controller.decider.due())):
        done += controller.decider.service(controller.snapshot, one, now)
    for action in done:
        if isinstance(action, WriteServiceStatus):
            controller.put(replace(action.service, status=action.status))
    return done


def marked(controller: Controller) -> bool:
    return any(one.type == ANNOUNCEABLE for one in controller.snapshot.services[name("web")].status.conditions)


def test_a_service_is_given_its_address_and_nothing_is_missed_for_a_moment() -> None:
    controller = pool_that_came()
    assert look(controller, START + 5)
    assert (controller.held("web"), marked(controller)) == (["10.0.0.0"], False)
    assert look(controller, START + 5.5) == []
    assert controller.decider.next_end(START + 5.5) == START + 5 + PATIENCE_SECONDS


def test_an_advertisement_that_comes_in_time_leaves_nothing_to_say() -> None:
    controller = pool_that_came()
    look(controller, START + 5)
    controller.snapshot = replace(controller.snapshot, l2_advertisements=world().l2_advertisements)
    assert look(controller, START + 7) == []


def test_one_that_does_not_come_is_missed_after_the_moment() -> None:
    controller = pool_that_came()
    look(controller, START + 5)
    assert look(controller, START + 5 + PATIENCE_SECONDS)
    assert marked(controller)


def test_a_pool_that_was_there_at_the_start_is_not_new() -> None:
    controller = Controller(service("web"))
    controller.snapshot = replace(controller.snapshot, l2_advertisements={})
    look(controller, START)
    assert marked(controller)

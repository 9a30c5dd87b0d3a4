"""A released address rests before somebody else gets it, and its own Service gets it back at once."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.worlds import name, pool, service, world

from metalev.decide.controller import ControllerDecider
from metalev.model.actions import WriteServiceStatus
from metalev.model.meta import Name
from metalev.model.pools import Pool, PoolStatus, Resting, ServiceAllocation
from metalev.model.services import Service

MAIN = pool("main", "10.0.0.0/30")
START = 1_800_000_000


class Rests:
    """A controller over Services that come and go, at a time that a test sets."""

    def __init__(self, *services: Service, pools: tuple[Pool, ...] = (MAIN,), seconds: float = 60) -> None:
        self.now: float = START
        self.seconds = seconds
        self.decider = ControllerDecider(rest_seconds=seconds)
        self.snapshot = world(*services, pools=pools)
        for one in services:
            self.look_at(one.name.name)

    def look_at(self, text: str) -> str:
        for _ in range(2):
            for action in self.decider.service(self.snapshot, name(text), self.now):
                if isinstance(action, WriteServiceStatus):
                    self.write(replace(action.service, status=action.status))
        held = self.snapshot.services[name(text)].status.addresses if name(text) in self.snapshot.services else ()
        return ",".join(map(str, held))

    def write(self, *services: Service) -> None:
        self.snapshot = replace(
            self.snapshot, services={**self.snapshot.services, **{one.name: one for one in services}}
        )

    def put(self, subject: Service) -> str:
        self.write(subject)
        return self.look_at(subject.name.name)

    def remove(self, text: str) -> None:
        left = {key: one for key, one in self.snapshot.services.items() if key != name(text)}
        self.snapshot = replace(self.snapshot, services=left)
        self.look_at(text)

    def restart(self) -> None:
        statuses = self.decider.desired(self.snapshot, self.now).pool_statuses
        self.snapshot = replace(self.snapshot, pool_statuses=statuses)
        self.decider = ControllerDecider(rest_seconds=self.seconds)

    def status(self) -> PoolStatus:
        return self.decider.desired(self.snapshot, self.now).pool_statuses[MAIN.name]


def released() -> Rests:
    """10.0.0.0 was a's until now; 10.0.0.1 is b's."""
    made = Rests(service("a"), service("b"))
    made.remove("a")
    return made


def test_somebody_else_gets_another_address() -> None:
    assert released().put(service("c")) == "10.0.0.2"


def test_after_the_rest_somebody_else_gets_it() -> None:
    made = released()
    made.now += 60
    assert made.put(service("c")) == "10.0.0.0"


def test_its_own_service_gets_it_back_at_once() -> None:
    assert released().put(service("a")) == "10.0.0.0"


def test_a_service_of_the_same_name_in_another_namespace_is_somebody_else() -> None:
    made = released()
    stranger = replace(service("a"), name=Name("bank", "a"))
    made.write(stranger)
    (write, *_) = made.decider.service(made.snapshot, stranger.name, made.now)
    assert isinstance(write, WriteServiceStatus)
    assert write.status.addresses == (ip_address("10.0.0.2"),)


def test_who_asks_for_it_by_name_gets_it() -> None:
    assert released().put(service("c", wish="10.0.0.0")) == "10.0.0.0"


def test_who_finds_nothing_else_free_gets_the_one_that_rested_longest() -> None:
    made = Rests(*(service(text) for text in "abcd"))
    made.remove("c")
    made.now += 1
    made.remove("a")
    assert made.put(service("e")) == "10.0.0.2"
    assert made.put(service("f")) == "10.0.0.0"


def test_a_general_pool_that_has_something_free_comes_before_one_where_all_rest() -> None:
    made = Rests(service("a"), pools=(pool("a", "10.0.0.0/32"), pool("b", "10.0.1.0/32")))
    made.remove("a")
    assert made.put(service("c")) == "10.0.1.0"


def test_a_pool_for_such_services_comes_first_even_if_all_of_it_rests() -> None:
    pinned = replace(pool("z", "10.0.1.0/32"), allocation=ServiceAllocation(namespaces=("shop",)))
    made = Rests(service("a"), pools=(MAIN, pinned))
    made.remove("a")
    assert made.put(service("c")) == "10.0.1.0"


def test_a_service_that_becomes_internal_leaves_its_address_resting() -> None:
    made = Rests(service("a"))
    made.put(replace(made.snapshot.services[name("a")], type="ClusterIP"))
    assert made.put(service("c")) == "10.0.0.1"


def test_what_rests_and_for_whom_is_told_in_the_status_of_the_pool() -> None:
    assert released().status().resting == (Resting(ip_address("10.0.0.0"), name("a"), START + 60),)


def test_a_rest_survives_a_restart_and_ends_when_it_would_have_ended() -> None:
    made = released()
    made.now += 30
    made.restart()
    assert made.put(service("c")) == "10.0.0.2"
    assert made.put(service("a")) == "10.0.0.0"
    made.remove("a")
    made.restart()
    made.now += 60
    assert made.put(service("e")) == "10.0.0.0"


def test_a_rest_that_was_over_while_no_controller_ran_is_not_taken_up() -> None:
    made = released()
    made.restart()
    made.now += 60
    assert made.put(service("c")) == "10.0.0.0"


def test_a_clock_that_was_set_back_makes_no_rest_longer_than_the_option_says() -> None:
    made = released()
    made.restart()
    made.now -= 86_400
    assert made.put(service("c")) == "10.0.0.2"
    made.now += 60
    assert made.put(service("e")) == "10.0.0.0"


def test_what_somebody_holds_after_all_does_not_rest() -> None:
    made = released()
    made.restart()
    made.write(service("z", "10.0.0.0"))
    made.look_at("z")
    assert made.status().resting == ()
    assert made.look_at("z") == "10.0.0.0"


def test_without_a_rest_the_address_is_free_at_once() -> None:
    made = Rests(service("a"), seconds=0)
    made.remove("a")
    assert made.put(service("c")) == "10.0.0.0"
    assert made.status().resting == ()


def test_resting_addresses_are_available_and_the_end_of_the_rest_is_known() -> None:
    made = released()
    assert (made.status().assigned_ipv4, made.status().available_ipv4) == (1, 3)
    assert made.decider.next_end(START) == START + 60
    made.now += 60
    assert made.status().resting == ()
    assert made.decider.next_end(START + 61) is None


def test_a_rest_goes_on_in_a_pool_that_was_renamed() -> None:
    made = released()
    renamed = replace(MAIN, name=Name("metallb-system", "renamed"))
    made.snapshot = replace(made.snapshot, pools={renamed.name: renamed})
    assert made.put(service("c")) == "10.0.0.2"


def test_a_rest_goes_on_in_a_pool_that_was_renamed_while_no_controller_ran() -> None:
    made = released()
    renamed = replace(MAIN, name=Name("metallb-system", "renamed"))
    made.restart()
    made.snapshot = replace(made.snapshot, pools={renamed.name: renamed})
    assert made.put(service("c")) == "10.0.0.2"
    assert made.put(service("a")) == "10.0.0.0"


def test_of_two_rests_of_one_address_that_were_written_the_later_one_counts() -> None:
    made = released()
    made.restart()
    stale = PoolStatus(resting=(Resting(ip_address("10.0.0.0"), name("e"), START + 20),))
    statuses = {**made.snapshot.pool_statuses, Name("metallb-system", "renamed"): stale}
    made.snapshot = replace(made.snapshot, pool_statuses=statuses)
    assert made.status().resting == (Resting(ip_address("10.0.0.0"), name("a"), START + 60),)


def test_an_address_that_changes_hands_twice_in_one_second_rests_for_the_last_who_had_it() -> None:
    made = released()
    assert made.put(service("c", wish="10.0.0.0")) == "10.0.0.0"
    made.remove("c")
    made.put(service("e", wish="10.0.0.0"))
    made.remove("e")
    assert [one.service for one in made.status().resting] == [name("e")]

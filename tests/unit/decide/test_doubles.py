"""Two Services with one address that they do not share: a write that arrives late makes them, and they are settled."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.decide.worlds import name, pool, service

from metalev.decide.controller import ControllerDecider
from metalev.model.actions import Holding, RecordEvent, SpeakerState, WriteServiceStatus
from metalev.model.meta import Name
from metalev.model.services import Port, Service, ServiceStatus
from metalev.model.snapshot import Snapshot

A, B, C = "10.0.0.0", "10.0.0.1", "10.0.0.2"


def aged(text: str, created: int, *held: str, key: str = "") -> Service:
    annotations = {"metallb.io/allow-shared-ip": key} if key else {}
    # Ports of its own, so that a key is all that sharing takes.
    return replace(service(text, *held), created=created, annotations=annotations, ports=(Port("TCP", 80 + created),))


def announcing(*texts: str) -> dict[Name, SpeakerState]:
    holding = Holding(A, (A,), tuple(str(name(text)) for text in texts), 1, "")
    state = SpeakerState(Name("", "node1"), holdings=(holding,) if texts else ())
    return {state.name: state}


class Controller:
    """A decider whose writes succeed, and what it told."""

    def __init__(self, *services: Service, announced: tuple[str, ...] = ()) -> None:
        self.snapshot = Snapshot(
            services={one.name: one for one in services},
            pools={one.name: one for one in [pool("main", "10.0.0.0/29")]},
            speakers=announcing(*announced),
            synced=True,
        )
        self.told: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.decider = ControllerDecider(rest_seconds=0)
        self.look_at(*sorted(self.snapshot.services))

    def put(self, one: Service) -> None:
        self.snapshot = replace(self.snapshot, services={**self.snapshot.services, one.name: one})

    def shows(self, text: str, *addresses: str) -> None:
        """Somebody's write of this status arrives."""
        self.decider.contests.forget(name(text))  # it is no habit
        found = self.snapshot.services[name(text)]
        self.put(replace(found, status=ServiceStatus(tuple(map(ip_address, addresses)))))
        self.look_at(name(text))

    def announced(self, *texts: str) -> None:
        self.snapshot = replace(self.snapshot, speakers=announcing(*texts))

    def look_at(self, *names: Name) -> None:
        queue = list(names)
        for _ in range(100):
            if not queue:
                return
            for action in self.decider.service(self.snapshot, queue.pop(0)):
                if isinstance(action, WriteServiceStatus):
                    self.put(replace(action.service, status=action.status))
                    queue.append(action.service.name)
                if isinstance(action, RecordEvent):
                    self.told.append(f"{action.event.regarding.name.name} {action.event.reason}")
            queue += [one for one in self.decider.due() if one not in queue]
        raise AssertionError("it goes on for ever")

    def addresses(self) -> dict[str, str]:
        services = self.snapshot.services.values()
        return {one.name.name: " ".join(map(str, one.status.addresses)) for one in services}


def test_a_late_write_of_the_older_one_takes_its_address_back() -> None:
    controller = Controller(aged("old", 1, B), aged("young", 2, A))
    controller.shows("old", A)
    assert controller.addresses() == {"old": A, "young": B}
    assert controller.told[-3:-1] == ["young ClearAssignment", "young IPAllocated"]


def test_a_late_write_of_the_younger_one_moves_it() -> None:
    controller = Controller(aged("old", 1, A), aged("young", 2, B))
    controller.shows("young", A)
    assert controller.addresses() == {"old": A, "young": B}
    assert controller.told[-3:-1] == ["young ClearAssignment", "young IPAllocated"]


def test_the_one_that_is_announced_stays_though_it_is_younger() -> None:
    controller = Controller(aged("old", 1, B), aged("young", 2, A), announced=("young",))
    controller.shows("old", A)
    assert controller.addresses() == {"old": B, "young": A}


def test_where_both_are_announced_the_older_one_stays() -> None:
    controller = Controller(aged("old", 1, B), aged("young", 2, A), announced=("old", "young"))
    controller.shows("old", A)
    assert controller.addresses()["old"] == A


def test_a_controller_that_finds_a_double_settles_it_in_the_same_way() -> None:
    assert Controller(aged("old", 1, A), aged("young", 2, A)).addresses()["old"] == A
    assert Controller(aged("old", 1, A), aged("young", 2, A), announced=("young",)).addresses()["young"] == A


def test_those_who_share_are_no_double() -> None:
    controller = Controller(aged("old", 1, A, key="k"), aged("young", 2, A, key="k"))
    assert controller.addresses() == {"old": A, "young": A}
    controller.shows("old", A)
    assert controller.addresses() == {"old": A, "young": A}


def test_one_before_all_of_those_who_share_moves_them_all() -> None:
    controller = Controller(aged("old", 1, B), aged("one", 2, A, key="k"), aged("other", 3, A, key="k"))
    controller.shows("old", A)
    after = controller.addresses()
    assert after["old"] == A
    assert A not in {after["one"], after["other"]}


def test_one_after_some_of_those_who_share_moves_itself() -> None:
    controller = Controller(aged("one", 1, A, key="k"), aged("young", 2, B), aged("other", 3, A, key="k"))
    controller.shows("young", A)
    assert controller.addresses() == {"one": A, "young": B, "other": A}


def test_one_before_those_with_whom_it_clashes_stays_beside_an_older_one_with_whom_it_does_not() -> None:
    """For a moment of another class: who joined meanwhile, and wants its port, moves."""
    old, back = aged("old", 1, A, key="k"), aged("back", 2, A, key="k")
    controller = Controller(old, replace(back, load_balancer_class="theirs"))
    controller.put(replace(aged("new", 3, key="k"), ports=back.ports))
    controller.look_at(name("new"))
    assert controller.addresses() == {"old": A, "back": A, "new": A}
    controller.put(back)
    controller.look_at(name("back"))
    assert controller.addresses() == {"old": A, "back": A, "new": B}
    assert controller.told[-3:-1] == ["new ClearAssignment", "new IPAllocated"]


def test_a_key_that_changes_takes_nothing_from_a_younger_one() -> None:
    controller = Controller(aged("old", 1, A, key="k"), aged("young", 2, A, key="k"))
    changed = controller.snapshot.services[name("old")]
    controller.put(replace(changed, annotations={"metallb.io/allow-shared-ip": "l"}))
    controller.look_at(name("old"))
    assert controller.addresses() == {"old": B, "young": A}


def test_whoever_is_somebody_elses_takes_nothing() -> None:
    controller = Controller(replace(aged("old", 1), load_balancer_class="theirs"), aged("young", 2, A))
    controller.shows("old", A)
    assert controller.addresses()["young"] == A


NAMES = ["a", "b", "c", "d"]
KEYS = st.sampled_from(["", "", "k", "l"])
STEPS = st.one_of(
    st.tuples(st.just("late"), st.sampled_from(NAMES), st.sampled_from([A, B, C])),
    st.tuples(st.just("late"), st.sampled_from(NAMES), st.sampled_from([A, B, C])),
    st.tuples(st.just("announced"), st.sets(st.sampled_from(NAMES), max_size=2)),
    st.tuples(st.just("restart")),
)


def doubles(services: Mapping[Name, Service]) -> list[tuple[Name, Name]]:
    def together(one: Service, other: Service) -> bool:
        return bool(one.annotations) and one.annotations == other.annotations

    pairs = ((one, other) for one in services.values() for other in services.values() if one.name < other.name)
    shown = ((one, other) for one, other in pairs if set(one.status.addresses) & set(other.status.addresses))
    return [(one.name, other.name) for one, other in shown if not together(one, other)]


@given(st.lists(KEYS, min_size=4, max_size=4), st.permutations(range(4)), st.lists(STEPS, max_size=12))
@settings(max_examples=500, deadline=None)
def test_whatever_arrives_late_nobody_is_doubled_or_without_an_address_and_who_precedes_stays(
    keys: list[str], ages: list[int], steps: list[Any]
) -> None:
    controller = Controller(*(aged(text, age, key=key) for text, age, key in zip(NAMES, ages, keys, strict=True)))
    announced: set[str] = set()
    for step in steps:
        match step:
            case ("late", text, address):
                before = controller.addresses()
                services = controller.snapshot.services
                controller.shows(text, address)
                rank = {one: (one not in announced, ages[NAMES.index(one)]) for one in NAMES}
                mine = services[name(text)].annotations
                rivals = [
                    one
                    for one, theirs in before.items()
                    if theirs == address and one != text and (not mine or services[name(one)].annotations != mine)
                ]
                now = controller.addresses()
                if rivals and all(rank[text] < rank[one] for one in rivals):
                    assert now[text] == address
                elif rivals:
                    assert [now[one] for one in rivals] == [address] * len(rivals)
            case ("announced", texts):
                announced = texts
                controller.announced(*sorted(texts))
            case _:
                before = controller.addresses()
                controller.restart()
                assert controller.addresses() == before
        assert doubles(controller.snapshot.services) == []
        assert all(controller.addresses().values())

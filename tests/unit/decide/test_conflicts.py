"""Nobody is given what somebody else has; who was given it a moment ago is given another, once."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.worlds import NODES, name, node, pool, service, world

from metalev.decide.controller import ControllerDecider
from metalev.decide.ledger import Ledger
from metalev.decide.replacing import REPLACED, WITHIN_SECONDS, Givings, to_replace
from metalev.model.actions import Action, Conflict, RecordEvent, SpeakerState, WriteServiceStatus
from metalev.model.cluster import SpeakerPod
from metalev.model.meta import Name
from metalev.model.services import Condition, Service

MAC = "02:00:00:00:09:09"
FOUR = pool("main", "10.0.0.0/30")


class Controller:
    """A controller whose writes succeed at once, at a time that a test sets, and what speakers say."""

    def __init__(self, *services: Service, ranges: tuple[str, ...] = ("10.0.0.0/30",)) -> None:
        self.now = 1000.0
        self.decider = ControllerDecider(rest_seconds=60)
        self.snapshot = world(*services, pools=(pool("main", *ranges),))
        # Their addresses are not of the pool.
        self.snapshot = replace(self.snapshot, nodes={Name("", one): node(one) for one in NODES})
        self.told: list[str] = []

    def put(self, one: Service) -> None:
        self.snapshot = replace(self.snapshot, services={**self.snapshot.services, one.name: one})

    def speaker(
        self,
        *conflicts: str,
        clean: tuple[str, ...] = (),
        on: str = "node-a",
        cause: str = "frame",
        hears: tuple[str, ...] = (),
    ) -> None:
        found = tuple(Conflict(one, MAC, "eth0", cause) for one in conflicts)
        state = SpeakerState(Name("", on), peers_heard=hears, conflicts=found, clean=clean)
        self.snapshot = replace(self.snapshot, speakers={**self.snapshot.speakers, state.name: state})

    def pod(self, on: str, *, running: bool) -> None:
        one = SpeakerPod(Name("metallb-system", "speaker"), node=on, running=running)
        self.snapshot = replace(self.snapshot, speaker_pods={one.name: one})

    def reconcile(self, text: str) -> tuple[Action, ...]:
        actions = self.decider.service(self.snapshot, name(text), self.now)
        for action in actions:
            if isinstance(action, WriteServiceStatus):
                self.put(replace(action.service, status=action.status))
            elif isinstance(action, RecordEvent):
                self.told.append(f"{action.event.type} {action.event.reason} {action.event.message}")
        return actions

    def settle(self, *texts: str) -> None:
        queue = [name(text) for text in texts]
        while queue:
            one = queue.pop(0)
            if self.reconcile(one.name):
                queue.append(one)
            queue += self.decider.due()

    def held(self, text: str) -> list[str]:
        return [str(one) for one in self.snapshot.services[name(text)].status.addresses]

    def condition(self, text: str, kind: str) -> Condition | None:
        conditions = self.snapshot.services[name(text)].status.conditions
        return next((one for one in conditions if one.type == kind), None)


def fresh(text: str, wish: str = "") -> Service:
    return service(text, wish=wish)


def given(*services: Service) -> Controller:
    """``web`` and whatever more have just got their addresses."""
    made = Controller(*services)
    made.settle(*(one.name.name for one in services))
    return made


def test_an_address_that_somebody_else_has_is_passed_over() -> None:
    made = Controller(fresh("web"))
    made.speaker("10.0.0.0", "10.0.0.1")
    made.settle("web")
    assert made.held("web") == ["10.0.0.2"]


def test_the_pool_s_event_names_the_mac_and_the_node_that_saw_it() -> None:
    made = Controller()
    made.speaker("10.0.0.1")
    (skips,) = made.decider.desired(made.snapshot).pool_skips.values()
    assert f'10.0.0.1 (in use by {MAC} (seen on eth0 by node "node-a"))' in skips


def test_a_clean_address_comes_before_one_of_which_nothing_is_known() -> None:
    made = Controller(fresh("web"), fresh("more"))
    made.speaker(clean=("10.0.0.2",))
    made.settle("web", "more")
    assert [made.held("web"), made.held("more")] == [["10.0.0.2"], ["10.0.0.0"]]


def test_of_the_clean_ones_the_pool_s_first_is_given() -> None:
    made = Controller(fresh("web"))
    made.speaker(clean=("10.0.0.3",), on="node-a")
    made.speaker(clean=("10.0.0.1",), on="node-b")
    made.settle("web")
    assert made.held("web") == ["10.0.0.1"]


def test_what_one_speaker_calls_clean_and_another_in_use_is_in_use() -> None:
    made = Controller(fresh("web"))
    made.speaker(clean=("10.0.0.1",), on="node-a")
    made.speaker("10.0.0.1", on="node-b")
    made.settle("web")
    assert made.held("web") == ["10.0.0.0"]


def test_nobody_waits_for_a_verdict() -> None:
    assert given(fresh("web")).held("web") == ["10.0.0.0"]


def test_it_may_be_had_again_once_nobody_else_has_it() -> None:
    made = Controller(fresh("web"), ranges=("10.0.0.0/32",))
    made.speaker("10.0.0.0")
    made.settle("web")
    assert made.held("web") == []
    made.speaker()
    made.settle("other")
    assert made.held("web") == ["10.0.0.0"]


def test_what_a_speaker_saw_that_is_heard_no_more_keeps_no_address_from_being_given() -> None:
    made = Controller(fresh("web"), ranges=("10.0.0.0/32",))
    made.speaker("10.0.0.0", on="node-a", hears=("node-b",))
    made.speaker(on="node-b", hears=("node-a",))
    made.settle("web")
    assert made.held("web") == []
    made.speaker(on="node-b")
    made.settle("other")
    assert made.held("web") == ["10.0.0.0"]


def test_what_a_speaker_saw_whose_pod_runs_no_more_keeps_no_address_from_being_given() -> None:
    made = Controller(fresh("web"), ranges=("10.0.0.0/32",))
    made.speaker("10.0.0.0", on="node-a")
    made.pod("node-a", running=True)
    made.settle("web")
    assert made.held("web") == []
    made.pod("node-a", running=False)
    made.settle("other")
    assert made.held("web") == ["10.0.0.0"]


def test_who_was_given_it_a_moment_ago_is_given_another_with_a_condition_and_a_warning() -> None:
    made = given(fresh("web"))
    made.now += 10
    made.speaker("10.0.0.0")
    made.settle("other")
    assert made.held("web") == ["10.0.0.1"]
    message = f'"10.0.0.0" is an address in use by {MAC} (seen on eth0 by node "node-a"): assigned "10.0.0.1" instead'
    condition = made.condition("web", REPLACED)
    assert condition is not None
    assert (condition.status, condition.message) == ("True", message)
    assert f"Warning AddressReplaced {message}" in made.told


def test_that_happens_once_to_a_service_and_then_it_is_reported_only() -> None:
    made = given(fresh("web"))
    made.speaker("10.0.0.0")
    made.settle("other")
    made.speaker("10.0.0.0", "10.0.0.1")
    made.settle("other")
    assert made.held("web") == ["10.0.0.1"]
    condition = made.condition("web", "metalev.io/AddressAssigned")
    assert condition is not None
    assert condition.reason == "AddressInUse"
    assert MAC in condition.message
    assert any(text.startswith('Warning AddressInUse "10.0.0.1"') for text in made.told)


def test_a_new_controller_remembers_that_it_happened() -> None:
    made = given(fresh("web"))
    made.speaker("10.0.0.0")
    made.settle("other")
    made.decider = ControllerDecider()
    made.decider._givings.gave(name("web"), ip_address("10.0.0.1"), made.now)
    made.speaker("10.0.0.0", "10.0.0.1")
    made.settle("web")
    assert made.held("web") == ["10.0.0.1"]


def test_an_address_asked_for_by_name_is_not_replaced_but_reported() -> None:
    made = given(fresh("web", wish="10.0.0.0"))
    made.speaker("10.0.0.0")
    made.settle("other")
    assert made.held("web") == ["10.0.0.0"]
    assert made.condition("web", REPLACED) is None
    assert any(text.startswith('Warning AddressInUse "10.0.0.0"') for text in made.told)


def test_an_address_that_a_speaker_knew_when_it_started_is_not_replaced_but_reported() -> None:
    made = given(fresh("web"))
    made.speaker("10.0.0.0", cause="held-before")
    made.settle("other")
    assert made.held("web") == ["10.0.0.0"]
    assert any(text.startswith('Warning AddressInUse "10.0.0.0"') for text in made.told)


def test_an_address_that_was_given_long_ago_or_by_another_controller_is_not_replaced() -> None:
    long_ago, another = given(fresh("web")), Controller(service("web", "10.0.0.0"))
    long_ago.now += 121
    another.settle("web")
    for made in (long_ago, another):
        made.speaker("10.0.0.0")
        made.settle("other")
        assert made.held("web") == ["10.0.0.0"]


def test_where_no_other_is_to_be_had_it_keeps_what_it_has() -> None:
    made = Controller(fresh("web"), ranges=("10.0.0.0/32",))
    made.settle("web")
    made.speaker("10.0.0.0")
    made.settle("other")
    assert made.held("web") == ["10.0.0.0"]


def test_of_a_pair_the_one_in_conflict_is_replaced_and_the_other_stays() -> None:
    made = Controller(
        replace(fresh("web"), families=(4, 6), family_policy="RequireDualStack", cluster_ips=_both()),
        ranges=("10.0.0.0/30", "2001:db8::/126"),
    )
    made.settle("web")
    made.speaker("10.0.0.0")
    made.settle("other")
    assert sorted(made.held("web")) == ["10.0.0.1", "2001:db8::"]


def _both() -> tuple[object, ...]:
    return ip_address("10.96.0.1"), ip_address("fd00::1")


def test_a_shared_address_is_not_replaced_for_one_of_its_holders() -> None:
    key = {"metallb.io/allow-shared-ip": "key"}
    made = given(replace(fresh("web"), annotations=key), replace(fresh("more"), annotations=key))
    assert made.held("web") == made.held("more") == ["10.0.0.0"]
    made.speaker("10.0.0.0")
    made.settle("other")
    assert made.held("web") == made.held("more") == ["10.0.0.0"]


def test_a_service_that_lost_its_type_keeps_no_word_of_it() -> None:
    made = given(fresh("web"))
    made.speaker("10.0.0.0")
    made.settle("other")
    assert made.condition("web", REPLACED) is not None
    made.put(replace(made.snapshot.services[name("web")], type="ClusterIP"))
    made.settle("web")
    assert made.condition("web", REPLACED) is None


# --- What was given lately ---

A, B, C = (ip_address(f"10.0.0.{last}") for last in range(3))


def test_an_address_counts_as_given_for_two_minutes_and_to_the_last_who_got_it() -> None:
    givings = Givings()
    givings.gave(name("more"), A, 0)
    givings.gave(name("web"), A, 10)
    assert givings.lately(name("web"), A, 10 + WITHIN_SECONDS)
    assert not givings.lately(name("web"), A, 11 + WITHIN_SECONDS)
    assert not givings.lately(name("more"), A, 10)


def test_what_was_given_long_ago_is_forgotten_whatever_was_given_again_since() -> None:
    givings = Givings()
    for address, at in ((A, 0.0), (B, 1.0), (A, 100.0), (C, 2 + WITHIN_SECONDS)):
        givings.gave(name("web"), address, at)
    assert list(givings._given) == [A, C]


def test_an_address_asked_for_by_name_or_beside_a_wish_that_nobody_can_read_is_not_to_be_replaced() -> None:
    givings, found = Givings(), {A: frozenset({"frame"})}
    givings.gave(name("web"), A, 0)
    for wish, replaces in (("", True), ("10.0.0.0", False), ("please", False)):
        subject = service("web", str(A), wish=wish)
        assert bool(to_replace(subject, found, givings, Ledger(), 0)) is replaces

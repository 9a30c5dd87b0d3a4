"""The controller's decisions over a series of snapshots: who gets what, who waits, who is woken."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.decide.controller import Controller
from tests.unit.decide.worlds import name, node, pool, service, world

from metalev.decide import controller as module
from metalev.decide.allocation import decide_addresses
from metalev.decide.controller import ControllerDecider
from metalev.decide.outcome import CONDITION, Allocation
from metalev.model.actions import RecordEvent, SpeakerState, WriteServiceStatus
from metalev.model.cluster import Namespace
from metalev.model.meta import LabelSelector, Name
from metalev.model.pools import Pool, ServiceAllocation
from metalev.model.services import Condition, ConditionStatus, Port, Service, ServiceStatus
from metalev.model.snapshot import Snapshot


def test_the_status_is_written_before_the_event_tells_of_it() -> None:
    write, event = Controller(service("web")).reconcile("web")
    assert isinstance(write, WriteServiceStatus)
    assert write.status.addresses == (ip_address("10.0.0.0"),)
    assert write.status.pool == "main"
    assert write.reason == 'Assigned IP ["10.0.0.0"]'
    assert isinstance(event, RecordEvent)
    assert event.reason == "IPAllocated"


def test_looking_again_at_what_is_well_does_nothing() -> None:
    controller = Controller(service("web"))
    controller.reconcile("web")
    assert controller.reconcile("web") == ()


def test_a_restart_changes_nothing() -> None:
    controller = Controller(service("web"), service("dns"))
    controller.settle("web", "dns")
    controller.decider = ControllerDecider()
    assert controller.reconcile("web") + controller.reconcile("dns") == ()


def test_nothing_is_decided_before_the_snapshot_is_complete() -> None:
    decider, early = ControllerDecider(), world(service("web"), synced=False)
    assert decider.service(early, name("web")) == ()
    assert decider.desired(early).pool_statuses == {}
    assert decider.service(replace(early, synced=True), name("web")) != ()


def test_after_a_restart_nobody_is_given_what_another_holds() -> None:
    controller = Controller(service("a"), service("z", "10.0.0.0"))
    controller.settle("a", "z")
    assert controller.holders() == {"a": ["10.0.0.1"], "z": ["10.0.0.0"]}


def test_a_double_is_settled_for_good() -> None:
    controller = Controller(service("a", "10.0.0.2"), service("b", "10.0.0.2"))
    controller.settle("b", "a")
    assert controller.holders() == {"a": ["10.0.0.2"], "b": ["10.0.0.0"]}


def test_of_two_who_hold_the_same_at_the_start_the_older_one_keeps_it() -> None:
    young, old, unknown = (
        replace(service(text, "10.0.0.2"), created=age) for text, age in zip("abc", (2, 1, None), strict=True)
    )
    controller = Controller(young, old, unknown)
    controller.settle("a", "b", "c")
    assert controller.holders() == {"a": ["10.0.0.0"], "b": ["10.0.0.2"], "c": ["10.0.0.1"]}


def test_at_equal_age_the_name_decides() -> None:
    controller = Controller(*(replace(service(text, "10.0.0.2"), created=1) for text in "ba"))
    controller.settle("b", "a")
    assert controller.holders() == {"a": ["10.0.0.2"], "b": ["10.0.0.0"]}


def test_those_who_share_keep_their_address_over_a_restart() -> None:
    shared = {"metallb.io/allow-shared-ip": "k"}
    sharers = [
        replace(service(text, "10.0.0.2"), annotations=shared, ports=(Port("TCP", port),))
        for port, text in enumerate("ab", 80)
    ]
    controller = Controller(*sharers)
    controller.settle("a", "b")
    assert controller.holders() == {"a": ["10.0.0.2"], "b": ["10.0.0.2"]}


def test_an_unmet_wish_is_met_when_the_address_becomes_free() -> None:
    controller = Controller(service("a", "10.0.0.0"), service("b", "10.0.0.1", wish="10.0.0.0"))
    controller.settle("a", "b")
    assert controller.held("b") == ["10.0.0.1"]
    assert (len(controller.decider.waiting), len(controller.decider.wanting)) == (0, 1)
    controller.remove("a")
    controller.settle("a")
    assert controller.held("b") == ["10.0.0.0"]
    assert len(controller.decider.wanting) == 0


def test_a_release_does_not_wake_those_whom_it_cannot_help() -> None:
    controller = Controller(service("a"), service("b", wish="10.9.9.9"), service("c", wish="please"))
    controller.settle("a", "b", "c")
    controller.remove("a")
    controller.reconcile("a")
    assert controller.due() == []


def test_a_node_that_comes_with_an_address_of_the_pool_wakes_its_holder_alone() -> None:
    controller = Controller(service("a"), service("b"))
    controller.settle("a", "b")
    new = replace(node("node-z"), addresses=(ip_address("10.0.0.1"),))
    controller.snapshot = replace(controller.snapshot, nodes={**controller.snapshot.nodes, new.name: new})
    assert controller.reconcile("a") == ()
    assert controller.due() == ["b"]
    controller.settle("b")
    assert controller.held("b") == ["10.0.0.1"]
    (condition,) = controller.snapshot.services[name("b")].status.conditions
    assert condition.reason == "AddressInUse"


def test_what_the_network_does_not_use_any_more_serves_those_who_wait() -> None:
    controller = Controller(service("a"), pools=(pool("main", "192.0.2.1/32"),))  # every node of this world has it
    controller.settle("a")
    assert controller.held("a") == []
    controller.snapshot = replace(controller.snapshot, nodes={})
    controller.settle("z")
    assert controller.held("a") == ["192.0.2.1"]


def test_gateways_and_addresses_that_speakers_see_are_skipped_and_named() -> None:
    controller = Controller(service("a"))
    state = SpeakerState(Name("", "node-a"), local_addresses=("10.0.0.0",), gateways=("10.0.0.1",))
    controller.snapshot = replace(controller.snapshot, speakers={state.name: state})
    controller.settle("a")
    assert controller.held("a") == ["10.0.0.2"]
    (message,) = controller.decider.desired(controller.snapshot).pool_skips.values()
    assert message.endswith('10.0.0.0 (on an interface of node "node-a"), 10.0.0.1 (of a gateway of node "node-a")')


def test_two_pending_reasons_in_a_row_are_told_once() -> None:
    controller = Controller(service("web"), pools=())
    assert len(controller.reconcile("web")) == 2
    assert controller.reconcile("web") == ()


def test_a_release_wakes_who_has_waited_longest() -> None:
    controller = Controller(*(service(text) for text in "abcd"), pools=(pool("main", "10.0.0.0/31"),))
    controller.settle("b", "d", "c", "a")
    controller.remove("b")
    assert controller.reconcile("b") == ()
    assert controller.due() == ["c"]
    controller.settle("c", "a")
    assert controller.holders() == {"a": [], "c": ["10.0.0.0"], "d": ["10.0.0.1"]}


def test_a_pool_that_grows_serves_those_who_wait() -> None:
    controller = Controller(service("a"), service("b"), pools=(pool("main", "10.0.0.0/32"),))
    controller.settle("a", "b")
    assert controller.held("b") == []
    controller.set_pools(pool("main", "10.0.0.0/31"))
    controller.settle("a")
    assert controller.holders() == {"a": ["10.0.0.0"], "b": ["10.0.0.1"]}


def test_a_pool_that_shrinks_moves_its_holders() -> None:
    controller = Controller(service("a"), service("b"))
    controller.settle("a", "b")
    controller.set_pools(pool("main", "10.0.0.1/32"), pool("other", "10.0.1.0/32"))
    controller.settle("b")
    assert controller.holders() == {"a": ["10.0.1.0"], "b": ["10.0.0.1"]}


@pytest.mark.parametrize(
    ("pools", "owners"),
    [
        ((pool("renamed", "10.0.0.0/30"),), {"a": "renamed", "b": "renamed"}),
        ((pool("main", "10.0.0.0/32"), pool("split", "10.0.0.1-10.0.0.3")), {"a": "main", "b": "split"}),
        ((pool("left", "10.0.0.0/31"), pool("right", "10.0.0.2/31")), {"a": "left", "b": "left"}),
    ],
    ids=["renamed", "split", "renamed and split"],
)
@pytest.mark.parametrize("restarts", [False, True])
def test_a_pool_that_is_renamed_or_split_moves_nobody_and_nothing_is_told(
    pools: tuple[Pool, ...], owners: dict[str, str], *, restarts: bool
) -> None:
    controller = Controller(service("a"), service("b"))
    controller.settle("a", "b")
    before = controller.holders()
    controller.set_pools(*pools)
    controller.decider = ControllerDecider() if restarts else controller.decider
    actions = [action for text in "ab" for action in controller.reconcile(text)]
    assert controller.holders() == before == {"a": ["10.0.0.0"], "b": ["10.0.0.1"]}
    assert {key.name: one.status.pool for key, one in controller.snapshot.services.items()} == owners
    assert all(isinstance(action, WriteServiceStatus) for action in actions)


def test_a_new_version_of_a_pool_wakes_nobody() -> None:
    controller = Controller(service("a"))
    controller.settle("a")
    controller.set_pools(pool("main", "10.0.0.0/30", version="2"))
    assert controller.reconcile("a") == ()
    assert controller.due() == []


def test_new_labels_of_a_namespace_wake_those_who_wait() -> None:
    rules = ServiceAllocation(namespace_selectors=(LabelSelector({"team": "red"}),))
    controller = Controller(service("a"), pools=(replace(pool("main", "10.0.0.0/30"), allocation=rules),))
    controller.settle("a")
    shop = Namespace(Name("", "shop"), labels={"team": "red"})
    controller.snapshot = replace(controller.snapshot, namespaces={shop.name: shop})
    controller.settle("b")
    assert controller.held("a") == ["10.0.0.0"]


def test_an_address_is_not_given_away_before_it_is_gone_from_its_status() -> None:
    controller = Controller(service("a", "10.0.0.0"), pools=(pool("main", "10.0.0.0/31"),))
    controller.settle("a")
    controller.put(replace(controller.snapshot.services[name("a")], load_balancer_ip="10.0.0.1"), service("b"))
    moving = controller.decider.service(controller.snapshot, name("a"))  # this write has not been made yet
    assert isinstance(moving[0], WriteServiceStatus)
    controller.reconcile("b")
    assert controller.held("b") == []
    controller.settle("a", "b")
    assert controller.holders() == {"a": ["10.0.0.1"], "b": ["10.0.0.0"]}


def test_a_write_that_failed_is_decided_again() -> None:
    controller = Controller(service("a"))
    first = controller.decider.service(controller.snapshot, name("a"))
    assert controller.decider.service(controller.snapshot, name("a")) == first


def decisions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Services that are decided upon from now on."""
    made: list[str] = []

    def decide(service: Service, *rest: Any, **options: Any) -> Allocation:
        made.append(service.name.name)
        return decide_addresses(service, *rest, **options)

    monkeypatch.setattr(module, "decide_addresses", decide)
    return made


def test_a_write_that_comes_back_as_it_was_made_is_not_decided_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made, controller = decisions(monkeypatch), Controller(service("a"))
    controller.settle("a", "a")
    assert (made, controller.held("a")) == (["a", "a"], ["10.0.0.0"])  # the third look is a new one


@pytest.mark.parametrize(
    "change",
    [{"load_balancer_ip": "10.0.0.3"}, {"status": ServiceStatus((ip_address("10.0.0.2"),))}, {"labels": {"new": "1"}}],
    ids=["another wish", "another status", "another label"],
)
def test_what_is_not_as_it_was_written_is_decided(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    controller = Controller(service("a"))
    controller.reconcile("a")
    made = decisions(monkeypatch)
    controller.put(replace(controller.snapshot.services[name("a")], **change))
    controller.reconcile("a")
    assert made == ["a"]


def test_a_pool_that_changes_before_a_write_is_seen_is_not_overlooked() -> None:
    controller = Controller(service("a"))
    controller.reconcile("a")
    controller.set_pools(pool("main", "10.0.1.0/30"))
    controller.settle("a")
    assert controller.held("a") == ["10.0.1.0"]


def test_a_write_that_comes_back_gives_free_what_it_took_away() -> None:
    controller = Controller(service("a", "10.0.0.0"), pools=(pool("main", "10.0.0.0/31"),))
    controller.settle("a")
    controller.put(replace(controller.snapshot.services[name("a")], load_balancer_ip="10.0.0.1"), service("b"))
    controller.reconcile("a")
    controller.settle("b")
    assert controller.held("b") == []
    controller.settle("a")
    assert controller.holders() == {"a": ["10.0.0.1"], "b": ["10.0.0.0"]}


def test_a_service_that_becomes_internal_is_cleared_and_its_address_is_free() -> None:
    controller = Controller(service("a"), service("b"), pools=(pool("main", "10.0.0.0/32"),))
    controller.settle("a", "b")
    controller.put(replace(controller.snapshot.services[name("a")], type="ClusterIP"))
    controller.settle("a")
    assert controller.snapshot.services[name("a")].status == ServiceStatus()
    assert controller.held("b") == ["10.0.0.0"]


def test_a_service_of_another_class_is_not_touched() -> None:
    foreign = replace(service("a", "10.9.9.9"), load_balancer_class="kube-vip")
    assert Controller(foreign).reconcile("a") == ()


def test_an_address_that_a_service_of_another_class_shows_is_given_like_any_other() -> None:
    foreign = replace(service("foreign", "10.0.0.0"), load_balancer_class="kube-vip")
    controller = Controller(foreign, service("a"))
    controller.settle("foreign", "a")
    assert controller.held("a") == ["10.0.0.0"]


def test_conditions_of_others_are_left_in_place() -> None:
    foreign = Condition("example.com/Ready", ConditionStatus.TRUE, "Ready", "ready")
    controller = Controller(replace(service("a"), status=ServiceStatus(conditions=(foreign,))), pools=())
    controller.reconcile("a")
    assert controller.snapshot.services[name("a")].status.conditions[0] == foreign
    assert len(controller.snapshot.services[name("a")].status.conditions) == 2
    controller.set_pools(pool("main", "10.0.0.0/30"))
    controller.reconcile("a")
    assert controller.held("a") == ["10.0.0.0"]
    assert controller.snapshot.services[name("a")].status.conditions == (foreign,)


def test_a_service_that_has_what_it_asks_for_carries_no_condition() -> None:
    controller = Controller(service("a"))
    write, event = controller.reconcile("a")
    assert isinstance(write, WriteServiceStatus)
    assert write.status == ServiceStatus((ip_address("10.0.0.0"),), "main")
    assert write.reason == 'Assigned IP ["10.0.0.0"]'
    assert isinstance(event, RecordEvent)


def test_a_condition_that_says_no_more_than_the_address_is_taken_away() -> None:
    plain = Condition(CONDITION, ConditionStatus.TRUE, "IPAllocated", 'Assigned IP ["10.0.0.0"]')
    held = ServiceStatus((ip_address("10.0.0.0"),), "main", (plain,))
    controller = Controller(replace(service("a"), status=held))
    (write,) = [one for one in controller.reconcile("a") if isinstance(one, WriteServiceStatus)]
    assert write.status == replace(held, conditions=())


def test_counts_and_problems_of_pools_are_told() -> None:
    controller = Controller(service("a"), pools=(pool("main", "10.0.0.0/30"), pool("z", "10.0.0.0/31")))
    controller.settle("a")
    desired = controller.decider.desired(controller.snapshot)
    assert desired.pool_statuses[Name("metallb-system", "main")].assigned_ipv4 == 1
    assert "overlaps" in desired.pool_problems[Name("metallb-system", "z")]


def test_an_address_that_nobody_may_announce_is_told_with_the_reason() -> None:
    snapshot: Snapshot = world(service("web", "10.0.0.1"), service("dns"), advertised=False)
    (unannounced,) = ControllerDecider().desired(snapshot).unannounced.values()
    assert unannounced.services == (name("web"),)
    assert unannounced.why.startswith("noMatchingAdvertisement: node-a, node-b, node-c (no L2Advertisement is for ")


steps = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abcd"), st.sampled_from(["", "10.0.0.1", "10.0.0.2", "please"])),
    st.tuples(st.just("remove"), st.sampled_from("abcd"), st.just("")),
    st.tuples(st.just("pools"), st.sampled_from(["10.0.0.0/31", "10.0.0.1-10.0.0.3", "10.0.0.0/30"]), st.just("")),
)


@given(st.lists(steps, max_size=12))
@settings(max_examples=80, deadline=None)
def test_whatever_happens_no_address_is_held_twice_or_out_of_a_pool_and_nobody_waits_in_vain(
    steps: list[tuple[str, str, str]],
) -> None:
    controller = Controller()
    for verb, subject, wish in steps:
        if verb == "put":
            old = controller.snapshot.services.get(name(subject), service(subject))
            controller.put(replace(old, load_balancer_ip=wish))
        elif verb == "remove":
            controller.remove(subject)
        else:
            controller.set_pools(pool("main", subject))
        controller.settle(*("a" if verb == "pools" else subject))
        held = [address for one in controller.snapshot.services.values() for address in one.status.addresses]
        (main,) = controller.snapshot.pools.values()
        assert len(held) == len(set(held))
        assert all(address in main for address in held)
        wishless = [one for one in controller.snapshot.services.values() if not one.load_balancer_ip]
        full = len(held) == sum(one.size for one in main.ranges)
        assert full or all(one.status.addresses for one in wishless)

"""Beside something that cannot be read nobody loses an address because it is in no pool: it may stand there."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.decide.controller import Controller
from tests.unit.decide.questions import announced, speaker
from tests.unit.decide.worlds import name, pool, service, world

from metalev.decide.controller import ControllerDecider
from metalev.decide.findings import Answer
from metalev.decide.outcome import CONDITION
from metalev.decide.why import Inquiry
from metalev.model.actions import Action, RecordEvent
from metalev.model.address import Family
from metalev.model.pools import Pool
from metalev.model.services import Condition, ConditionStatus, FamilyPolicy, Port, Service, ServiceStatus

MAIN, SIDE = pool("main", "10.0.0.0/30"), pool("side", "10.0.1.0/30")
BROKEN = {"pool.yaml:3": "spec.addresses[0]: is no address"}
SHARED = {"metallb.io/allow-shared-ip": "key"}


def holder(text: str = "web", *held: str, of: str = "main", families: tuple[Family, ...] = (4,)) -> Service:
    status = ServiceStatus(tuple(map(ip_address, held or ("10.0.0.0",))), of)
    return replace(service(text), status=status, families=families)


def beside(problems: dict[str, str], *services: Service, pools: tuple[Pool, ...] = ()) -> Controller:
    """A controller that starts while ``problems`` are there, and sees ``pools``."""
    controller = Controller(*services, pools=pools)
    controller.snapshot = replace(controller.snapshot, problems=problems)
    return controller


def mend(controller: Controller, *pools: Pool) -> None:
    controller.set_pools(*pools)
    controller.snapshot = replace(controller.snapshot, problems={})
    for key in controller.snapshot.services:
        controller.decider.service(controller.snapshot, key)


def conditions(controller: Controller, text: str = "web") -> tuple[Condition, ...]:
    return controller.snapshot.services[name(text)].status.conditions


def condition(controller: Controller, text: str = "web") -> Condition:
    return next(one for one in conditions(controller, text) if one.type == CONDITION)


def told(actions: tuple[Action, ...]) -> list[str]:
    return [action.event.reason for action in actions if isinstance(action, RecordEvent)]


@pytest.mark.parametrize("pools", [(), (SIDE,)])
def test_a_service_keeps_an_address_of_no_known_pool_and_its_condition_says_why(pools: tuple[Pool, ...]) -> None:
    controller = beside(BROKEN, holder(), pools=pools)
    assert told(controller.reconcile("web")) == ["ConfigurationError"]
    assert controller.held("web") == ["10.0.0.0"]
    assert controller.snapshot.services[name("web")].status.pool == "main"
    assert condition(controller) == Condition(
        CONDITION,
        ConditionStatus.TRUE,
        "ConfigurationError",
        'Assigned IP ["10.0.0.0"]; ["10.0.0.0"] is in no pool that is known, and is kept because pool.yaml:3 cannot be '
        "read",
    )


def test_it_is_told_once_whatever_else_becomes_wrong_and_however_often_the_controller_starts() -> None:
    controller = beside(BROKEN, holder())
    controller.reconcile("web")
    controller.decider = ControllerDecider()
    assert controller.reconcile("web") == ()
    controller.snapshot = replace(controller.snapshot, problems={f"{one}.yaml:1": "" for one in "dbeca"})
    assert told(controller.reconcile("web")) == []
    assert condition(controller).message.endswith("because a.yaml:1, b.yaml:1, c.yaml:1 and 2 more cannot be read")


def test_when_all_can_be_read_and_the_pool_is_there_again_nothing_is_remarkable() -> None:
    controller = beside(BROKEN, holder())
    controller.settle("web")
    mend(controller, MAIN)
    assert told(controller.reconcile("web")) == []
    assert (controller.held("web"), conditions(controller)) == (["10.0.0.0"], ())


def test_when_all_can_be_read_and_the_address_is_in_no_pool_it_is_lost_as_always() -> None:
    controller = beside(BROKEN, holder())
    controller.settle("web")
    mend(controller, SIDE)
    assert told(controller.reconcile("web")) == ["ClearAssignment", "IPAllocated"]
    assert controller.held("web") == ["10.0.1.0"]


def test_that_everything_can_be_read_again_has_those_looked_at_whom_it_concerns() -> None:
    controller = beside(BROKEN, holder("stray"), holder("well", "10.0.1.0", of="side"), pools=(SIDE,))
    controller.settle("stray", "well")
    controller.snapshot = replace(controller.snapshot, problems={})
    controller.reconcile("well")
    assert controller.due() == ["stray"]


def test_somebody_who_waits_gets_an_address_of_a_pool_that_can_be_read() -> None:
    controller = beside(BROKEN, holder(), service("new"), pools=(SIDE,))
    controller.settle("web", "new")
    assert controller.holders() == {"web": ["10.0.0.0"], "new": ["10.0.1.0"]}


def test_an_address_that_is_kept_is_taken_when_its_pool_comes_back() -> None:
    controller = beside(BROKEN, holder(), service("new"))
    controller.settle("web", "new")
    mend(controller, MAIN)
    controller.settle("new", "web")
    assert controller.holders() == {"web": ["10.0.0.0"], "new": ["10.0.0.1"]}


def test_without_a_pool_that_can_be_read_the_words_say_what_to_correct() -> None:
    controller = beside(BROKEN, service("web"))
    controller.reconcile("web")
    assert (condition(controller).reason, condition(controller).message) == (
        "NoPools",
        "no IPAddressPool can be read, so there is no address to give: correct pool.yaml:3",
    )


def test_those_words_go_when_everything_can_be_read_and_there_is_no_pool() -> None:
    controller = beside(BROKEN, service("web"))
    controller.settle("web")
    controller.snapshot = replace(controller.snapshot, problems={})
    controller.decider.desired(controller.snapshot)
    assert controller.due() == ["web"]
    controller.reconcile("web")
    assert condition(controller).message.startswith("no IPAddressPool is defined")


def test_a_service_that_needs_a_second_family_keeps_the_first_and_moves_nowhere() -> None:
    both = pool("side", "10.0.1.0/30", "fd00::/126")
    subject = replace(holder(families=(4, 6)), family_policy=FamilyPolicy.REQUIRE)
    controller = beside(BROKEN, subject, pools=(both,))
    controller.settle("web")
    assert controller.held("web") == ["10.0.0.0"]


@pytest.mark.parametrize("asked", ["main", "Main"])
def test_a_service_that_asks_for_the_pool_that_cannot_be_read_has_what_it_asks_for(asked: str) -> None:
    controller = beside(BROKEN, replace(holder(), annotations={"metallb.io/address-pool": asked}), pools=(SIDE,))
    controller.settle("web")
    assert (controller.held("web"), condition(controller).reason) == (["10.0.0.0"], "ConfigurationError")


def test_a_new_wish_that_can_be_met_is_met() -> None:
    controller = beside(BROKEN, replace(holder(), annotations={"metallb.io/address-pool": "side"}), pools=(SIDE,))
    controller.settle("web")
    assert (controller.held("web"), conditions(controller)) == (["10.0.1.0"], ())


def test_what_two_hold_who_do_not_share_it_only_one_keeps() -> None:
    controller = beside(BROKEN, holder("a"), holder("b"))
    controller.settle("a", "b")
    assert controller.holders() == {"a": ["10.0.0.0"], "b": []}


def test_that_it_is_kept_beside_a_mistake_is_said_before_anything_else() -> None:
    controller = beside(BROKEN, replace(holder(), load_balancer_ip="10.9.9.9"), pools=(SIDE,))
    controller.settle("web")
    found = condition(controller)
    assert (controller.held("web"), found.reason) == (["10.0.0.0"], "ConfigurationError")
    assert 'Failed to allocate IP for "shop/web": ' in found.message


# --- A Service that cannot be read ---


def concealed(text: str = "web", *held: str) -> Service:
    return Service(name(text), status=holder(text, *held).status, hidden=True)


def test_what_a_service_holds_that_cannot_be_read_is_nobody_elses() -> None:
    controller = beside(BROKEN, concealed("z"), service("a"), pools=(MAIN,))
    controller.settle("a", "z")
    assert controller.holders() == {"z": ["10.0.0.0"], "a": ["10.0.0.1"]}


def test_it_may_be_of_whichever_class_is_served() -> None:
    snapshot = replace(world(concealed("z"), replace(service("a"), load_balancer_class="lb")), problems=BROKEN)
    decider = ControllerDecider("lb")
    decider.service(snapshot, name("a"))
    assert set(map(str, decider.ledger.addresses_of(name("a")))) == {"10.0.0.1"}


def test_nothing_is_written_of_it() -> None:
    assert beside(BROKEN, concealed(), pools=(SIDE,)).reconcile("web") == ()


def test_who_shares_an_address_with_it_keeps_that_and_it_joins_again() -> None:
    controller = beside(BROKEN, concealed("a"), sharing("b", 81, "10.0.0.0"), pools=(MAIN,))
    controller.settle("a", "b")
    assert controller.held("b") == ["10.0.0.0"]
    controller.put(sharing("a", 80, "10.0.0.0"))
    mend(controller, MAIN)
    controller.settle("a", "b")
    assert controller.holders() == {"a": ["10.0.0.0"], "b": ["10.0.0.0"]}


def sharing(text: str, port: int, *held: str) -> Service:
    return replace(service(text, *held), annotations=SHARED, ports=(Port("TCP", port),))


def beside_a_sharer_that_nobody_can_read(*newcomers: Service) -> Controller:
    """``old`` holds 10.0.0.0 with ``web``; nobody can read that it does so under the same key and uses port 80."""
    subject = replace(concealed("old", "10.0.0.0"), created=1)
    controller = beside(BROKEN, subject, sharing("web", 81, "10.0.0.0"), pools=(MAIN,))
    controller.settle("old", "web")
    controller.put(*newcomers)
    controller.settle(*(one.name.name for one in newcomers))
    return controller


def test_nobody_new_joins_it_who_may_want_its_ports() -> None:
    controller = beside_a_sharer_that_nobody_can_read(sharing("new", 80))
    assert controller.held("new") == ["10.0.0.1"]
    controller.put(sharing("old", 80, "10.0.0.0"))
    mend(controller, MAIN)
    controller.settle("old", "web", "new")
    assert controller.holders() == {"old": ["10.0.0.0"], "web": ["10.0.0.0"], "new": ["10.0.0.1"]}


def test_nobody_joins_it_by_name_and_who_wants_to_is_told_why_and_served_once_it_can_be_read() -> None:
    controller = beside_a_sharer_that_nobody_can_read(replace(sharing("new", 82), load_balancer_ip="10.0.0.0"))
    assert controller.held("new") == []
    why = "address also in use by shop/old, whose manifest cannot be read"
    assert condition(controller, "new").message.endswith(why)
    controller.put(sharing("old", 80, "10.0.0.0"))
    controller.settle("old")
    assert controller.held("new") == ["10.0.0.0"]


def test_whoever_came_before_it_and_clashes_with_it_now_that_it_can_be_read_moves() -> None:
    controller = beside_a_sharer_that_nobody_can_read()
    controller.put(replace(controller.snapshot.services[name("web")], ports=(Port("TCP", 80),)))
    controller.settle("web")
    controller.put(replace(sharing("old", 80, "10.0.0.0"), created=1))
    controller.settle("old", "web")
    assert controller.holders() == {"old": ["10.0.0.0"], "web": ["10.0.0.1"]}


def test_it_may_be_shared_again_when_it_is_gone() -> None:
    controller = beside_a_sharer_that_nobody_can_read()
    controller.remove("old")
    controller.settle("old")
    controller.put(sharing("new", 80))
    controller.settle("new")
    assert controller.held("new") == ["10.0.0.0"]


def test_when_it_is_gone_others_may_have_its_address() -> None:
    controller = beside(BROKEN, concealed("z"), service("a"), pools=(pool("main", "10.0.0.0/32"),))
    controller.settle("a", "z")
    controller.remove("z")
    controller.settle("z")
    assert controller.holders() == {"a": ["10.0.0.0"]}


# --- Who looks ---


def test_a_question_about_it_is_answered_by_what_is_known() -> None:
    chain = Inquiry(replace(world(concealed()), problems=BROKEN)).chain(name("web"))
    assert chain.findings[0].text == "the manifest of shop/web cannot be read; 10.0.0.0 is kept for it"
    assert chain.findings[1].details == ("pool.yaml:3: spec.addresses[0]: is no address",)


def test_an_address_of_no_known_pool_is_not_called_lost() -> None:
    controller = beside(BROKEN, holder())
    controller.settle("web")
    (found,) = (one for one in Inquiry(controller.snapshot).chain(name("web")).findings if one.asked == "address")
    kept = '["10.0.0.0"] is in no pool that is known, and is kept because pool.yaml:3 cannot be read'
    assert (found.answer, found.text) == (Answer.MIND, f"shop/web keeps 10.0.0.0: {kept}")
    assert found.advice == "correct what cannot be read; the Service keeps its address until then"


def test_a_controller_that_goes_by_what_it_read_before_contradicts_nobody() -> None:
    controller = Controller(holder(), pools=(MAIN,))
    controller.settle("web")
    mistaken = replace(controller.snapshot, pools={}, problems=BROKEN)
    (found,) = (one for one in Inquiry(mistaken).chain(name("web")).findings if one.asked == "conditions")
    assert found.answer is Answer.YES


def test_who_announces_by_an_advertisement_that_cannot_be_read_now_is_believed() -> None:
    controller = Controller(holder(), pools=(MAIN,))
    controller.settle("web")
    mistaken = replace(controller.snapshot, pools={}, l2_advertisements={}, problems=BROKEN)
    chain = Inquiry(announced(mistaken, speaker("node-a", "10.0.0.0"))).chain(name("web"))
    assert (chain.healthy, chain.announcers) == (True, ("node-a",))


def test_a_service_that_appears_unreadable_while_the_controller_runs_keeps_what_its_status_shows() -> None:
    controller = Controller(service("web"), pools=(MAIN,))
    controller.settle("web")
    controller.put(replace(holder("late", "10.0.0.1"), hidden=True), service("next"))
    controller.settle("late", "next")
    assert controller.holders() == {"web": ["10.0.0.0"], "late": ["10.0.0.1"], "next": ["10.0.0.2"]}

"""What the controller says of an address that nobody may announce: once, and in one write with the rest."""

from __future__ import annotations

from msgspec.structs import replace
from tests.unit.decide.controller import Controller
from tests.unit.decide.questions import NOT_READY, SHARING, VIP, backed
from tests.unit.decide.worlds import name, service, world

from metalev.decide.controller import ControllerDecider
from metalev.decide.outcome import Allocation, Outcome
from metalev.decide.telling import actions_for
from metalev.decide.unread import ANNOUNCEABLE
from metalev.model.actions import RecordEvent, WriteServiceStatus
from metalev.model.services import Condition, ConditionStatus, Port, Service, ServiceStatus


def silence(controller: Controller, text: str) -> list[str]:
    """What the status of a Service says of nobody being able to announce it."""
    conditions = controller.snapshot.services[name(text)].status.conditions
    return [one.message for one in conditions if one.type == ANNOUNCEABLE and one.status is ConditionStatus.FALSE]


def look_at_everything(controller: Controller) -> None:
    controller.decider.desired(controller.snapshot)
    controller.settle(*controller.due())


def unadvertised(*services: Service) -> Controller:
    controller = Controller(*services)
    controller.snapshot = replace(controller.snapshot, l2_advertisements={})
    return controller


def test_a_service_that_nobody_may_announce_says_so_in_its_status_until_somebody_may() -> None:
    controller = unadvertised(service("web"))
    controller.settle("web")
    look_at_everything(controller)
    (message,) = silence(controller, "web")
    assert message.startswith('no node may announce ["10.0.0.0"]: noMatchingAdvertisement')
    controller.snapshot = replace(controller.snapshot, l2_advertisements=world().l2_advertisements)
    look_at_everything(controller)
    assert silence(controller, "web") == []


def test_a_sharer_without_endpoints_says_so_and_the_others_say_nothing() -> None:
    web = replace(service("web", VIP), annotations=SHARING, ports=(Port("TCP", 80),))
    dns = replace(service("dns", VIP), annotations=SHARING, ports=(Port("UDP", 53),))
    controller = Controller(web, dns)
    controller.snapshot = backed(controller.snapshot, NOT_READY, of="dns")
    controller.settle("web", "dns")
    look_at_everything(controller)
    assert silence(controller, "web") == []
    (message,) = silence(controller, "dns")
    why = "for this Service, only for those that share it: noEndpoints: "
    assert message.startswith(f'no node may announce ["{VIP}"]: {why}')


def test_a_restart_writes_nothing_about_a_service_that_nobody_may_announce() -> None:
    controller = unadvertised(service("web"))
    controller.settle("web")
    look_at_everything(controller)
    assert silence(controller, "web")
    restarted = ControllerDecider()
    assert restarted.service(controller.snapshot, name("web")) == ()
    restarted.desired(controller.snapshot)
    assert [restarted.service(controller.snapshot, one) for one in restarted.due()] == [()]


def test_the_silence_of_an_address_is_no_reason_to_tell_of_its_allocation_again() -> None:
    controller = unadvertised(service("web", "10.0.0.1", wish="please"))
    controller.settle("web")
    controller.decider.desired(controller.snapshot)
    write, told = controller.reconcile("web")
    assert isinstance(write, WriteServiceStatus)
    assert write.reason.startswith("no node may announce")
    assert isinstance(told, RecordEvent)
    assert (told.event.reason, told.event.message) == ("NotAnnounced", write.reason)


def test_a_new_address_that_nobody_may_announce_is_told_in_the_same_write() -> None:
    controller = Controller(service("web"))
    controller.snapshot = replace(controller.snapshot, endpoints={})
    for looked_before in (False, True):
        if looked_before:
            controller.decider.desired(controller.snapshot)
            controller.put(service("web"))
        write, allocated, silent = controller.reconcile("web")
        assert isinstance(write, WriteServiceStatus)
        assert [one.reason for one in write.status.conditions] == ["NotAnnounced"]
        assert [one.event.reason for one in (allocated, silent) if isinstance(one, RecordEvent)] == [
            "IPAllocated",
            "NotAnnounced",
        ]
        assert controller.reconcile("web") == ()


def test_a_look_at_everything_changes_nothing_about_what_was_told_at_once() -> None:
    controller = Controller(service("web"))
    controller.snapshot = replace(controller.snapshot, endpoints={})
    controller.reconcile("web")
    controller.decider.desired(controller.snapshot)
    assert controller.due() == []
    assert controller.reconcile("web") == ()


def test_a_look_at_everything_before_the_write_is_seen_forgets_nothing() -> None:
    controller = Controller(service("web"))
    controller.snapshot = replace(controller.snapshot, endpoints={})
    controller.decider.desired(controller.snapshot)
    write = controller.decider.service(controller.snapshot, name("web"))[0]  # on its way
    controller.decider.desired(controller.snapshot)
    assert isinstance(write, WriteServiceStatus)
    for labels in ({}, {"edited": "yes"}):
        controller.put(replace(write.service, status=write.status, labels=labels))
        assert controller.reconcile("web") == ()


def test_of_an_address_that_others_have_too_it_is_told_when_all_of_them_have_been_looked_at() -> None:
    shared = {"metallb.io/allow-shared-ip": "key"}
    controller = Controller(*(replace(service(text), annotations=shared) for text in ("web", "api")))
    controller.snapshot = replace(controller.snapshot, endpoints={})
    controller.settle("web")
    look_at_everything(controller)
    write, *_ = controller.reconcile("api")
    assert isinstance(write, WriteServiceStatus)
    assert write.status.conditions == ()
    look_at_everything(controller)
    assert silence(controller, "web") == silence(controller, "api") != []


def test_nothing_is_said_of_announcing_where_there_is_no_address() -> None:
    silent = Condition(ANNOUNCEABLE, ConditionStatus.FALSE, "NotAnnounced", "no node may")
    shown = service("web", "10.0.0.0")
    shown = replace(shown, status=replace(shown.status, conditions=(silent,)))
    write, *told = actions_for(shown, Allocation(Outcome.CLEARED), (silent,), None)
    assert isinstance(write, WriteServiceStatus)
    assert (write.status, told) == (ServiceStatus(), [])


def test_the_order_in_which_somebody_keeps_the_conditions_is_no_news() -> None:
    controller = Controller(service("web"))
    controller.snapshot = replace(controller.snapshot, endpoints={})
    controller.reconcile("web")
    shown = controller.snapshot.services[name("web")]
    assert [one.type for one in shown.status.conditions] == sorted(one.type for one in shown.status.conditions)

"""An annotation that looks like one of MetalLB's and means nothing is named on the Service, once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.decide.controller import Controller
from tests.unit.decide.questions import ask, settled
from tests.unit.decide.worlds import name, service, world

from metalev.decide.controller import ControllerDecider
from metalev.decide.misspelt import ANNOTATIONS, unknown_annotations
from metalev.model.actions import RecordEvent, WriteServiceStatus
from metalev.model.services import Service

WRONG = {"metallb.io/adress-pool": "main"}
MESSAGE = 'unknown annotation, without effect: "metallb.io/adress-pool" (did you mean "metallb.io/address-pool"?)'


def annotated(annotations: dict[str, str], *held: str) -> Service:
    return replace(service("web", *held), annotations=annotations)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("metallb.io/loadBalancerIP", 'did you mean "metallb.io/loadBalancerIPs"?'),
        ("metallb.universe.tf/allow-shared-ips", 'did you mean "metallb.universe.tf/allow-shared-ip"?'),
        ("metalev.io/address-pool", 'did you mean "metallb.io/address-pool"?'),
        ("metallb.io/zzz", "there are address-pool, loadBalancerIPs, allow-shared-ip, ip-allocated-from-pool"),
    ],
)
def test_it_is_named_with_the_nearest(key: str, hint: str) -> None:
    assert list(unknown_annotations([key])) == [(key, hint)]


@pytest.mark.parametrize("key", ["metallb.io/address-pool", "metallb.universe.tf/loadBalancerIPs", "example.com/pool"])
def test_what_has_a_meaning_or_is_somebody_elses_is_not_named(key: str) -> None:
    assert list(unknown_annotations([key])) == []


def test_a_new_service_is_told_in_the_same_write_and_by_one_event() -> None:
    write, *events = Controller(annotated(WRONG)).reconcile("web")
    assert isinstance(write, WriteServiceStatus)
    assert {one.type: one.message for one in write.status.conditions}[ANNOTATIONS] == MESSAGE
    told = [(one.event.reason, one.event.message) for one in events if isinstance(one, RecordEvent)]
    assert told[1:] == [("UnknownAnnotation", MESSAGE)]


def test_it_is_told_once_however_often_it_is_looked_at_and_whoever_looks() -> None:
    controller = Controller(annotated(WRONG))
    controller.settle("web")
    assert controller.reconcile("web") == ()
    controller.decider = ControllerDecider()
    assert controller.reconcile("web") == ()


def test_one_that_comes_later_is_told_and_nothing_else_again() -> None:
    controller = Controller(service("web"))
    controller.settle("web")
    controller.put(replace(controller.snapshot.services[name("web")], annotations=WRONG))
    write, event = controller.reconcile("web")
    assert isinstance(write, WriteServiceStatus)
    assert isinstance(event, RecordEvent)
    assert (write.reason, event.event.reason) == (MESSAGE, "UnknownAnnotation")


def test_it_is_taken_back_when_it_is_corrected() -> None:
    controller = Controller(annotated(WRONG))
    controller.settle("web")
    controller.put(replace(controller.snapshot.services[name("web")], annotations={"metallb.io/address-pool": "main"}))
    (write,) = controller.reconcile("web")
    assert isinstance(write, WriteServiceStatus)
    assert write.status.conditions == ()
    assert write.reason == "its annotations are all known"


def test_a_service_that_becomes_internal_loses_the_condition_too() -> None:
    controller = Controller(annotated(WRONG))
    controller.settle("web")
    controller.put(replace(controller.snapshot.services[name("web")], type="ClusterIP"))
    (write,) = controller.reconcile("web")
    assert isinstance(write, WriteServiceStatus)
    assert write.status.conditions == ()


def test_why_names_it() -> None:
    chain = ask(settled(world(annotated(WRONG))))
    assert [one.text for one in chain.remarks if one.asked == "annotations"] == [MESSAGE]

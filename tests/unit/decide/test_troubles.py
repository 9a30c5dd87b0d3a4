"""Proxy ARP, our own kernels that answer, and beacons that are not heeded: warnings in the words of the log."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.decide.worlds import service, world

from metalev.decide.speaker import SpeakerDecider, speaker_state
from metalev.decide.troubles import ending, trouble_events
from metalev.model.actions import Event, EventType
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact, FactKind
from metalev.model.snapshot import Snapshot
from metalev.runtime.facts import FactLevels

ADDRESS = ip_address("10.0.0.1")
PROXY = Fact(FactKind.PROXY_ARP, 1.0, "frame", "a router answers", addresses=(ADDRESS,), mac="02:00:00:00:09:09")
KERNEL = Fact(FactKind.OWN_KERNEL, 1.0, "frame", "a kernel answers", addresses=(ADDRESS,), peer="node-b")
UNHEEDED = Fact(FactKind.UNHEEDED, 1.0, "other-key", "another key", addresses=(ADDRESS,), peer="node-b")


def seen(*facts: Fact) -> Snapshot:
    levels = FactLevels()
    for fact in facts:
        levels.note(fact)
    return replace(world(service("web", "10.0.0.1"), service("other", "10.0.0.2")), **levels.fields())


def told(snapshot: Snapshot) -> set[str]:
    desired = SpeakerDecider("node-a").desired(snapshot)
    events = trouble_events(snapshot, "node-a", desired)
    return {f"{one.regarding.kind} {one.regarding.name.name} {one.type} {one.reason} {one.message}" for one in events}


def test_a_router_that_answers_for_everybody_is_told_on_the_node_that_noticed_and_on_the_service() -> None:
    assert told(seen(PROXY)) == {
        "Node node-a Warning ProxyARP a router answers",
        "Service web Warning ProxyARP a router answers",
    }


def test_a_kernel_of_ours_is_told_on_its_own_node_and_on_the_service() -> None:
    assert told(seen(KERNEL)) == {
        "Node node-b Warning KernelAnswers a kernel answers",
        "Service web Warning KernelAnswers a kernel answers",
    }


def test_beacons_that_are_not_heeded_are_told_on_the_node_of_their_sender() -> None:
    assert told(seen(UNHEEDED)) == {"Node node-b Warning BeaconsNotHeeded another key"}


def test_what_the_kernel_does_not_send_is_told_on_the_node_itself_while_it_lasts() -> None:
    unsent = Fact(FactKind.UNSENT_LASTS, 1.0, "refused", "eth0 is full", interface="eth0")
    assert told(seen(unsent)) == {"Node node-a Warning FramesNotSent eth0 is full"}
    assert told(seen(unsent, replace(unsent, kind=FactKind.UNSENT_OVER))) == set()


def test_of_a_sender_that_is_no_node_of_ours_nothing_but_the_log_tells() -> None:
    assert told(seen(replace(UNHEEDED, peer=""))) == set()


@pytest.mark.parametrize("fact", [PROXY, KERNEL, UNHEEDED], ids=lambda fact: fact.kind)
def test_what_is_over_is_told_no_more(fact: Fact) -> None:
    assert told(seen(fact, replace(fact, kind=FactKind(f"{fact.kind} over")))) == set()


@pytest.mark.parametrize("fact", [PROXY, KERNEL, UNHEEDED], ids=lambda fact: fact.kind)
def test_it_stands_among_the_problems_of_the_speaker_s_state(fact: Fact) -> None:
    snapshot = seen(fact)
    state = speaker_state(snapshot, "node-a", SpeakerDecider("node-a").desired(snapshot))
    assert state.problems == (fact.message,)


def test_its_end_is_an_event_of_its_own() -> None:
    key = ObjectKey(Kind.NODE, Name("", "node-b"))
    event = Event(key, EventType.WARNING, "KernelAnswers", "a kernel answers", "metallb-speaker")
    end = ending(event, seen())
    assert end is not None
    assert (end.regarding, end.type, end.reason) == (key, EventType.NORMAL, "KernelAnswersOver")
    assert end.message == "over: a kernel answers"


def test_the_end_is_not_told_of_what_has_none_nor_on_a_service_that_is_gone() -> None:
    gone = ObjectKey(Kind.SERVICE, Name("shop", "gone"))
    node = ObjectKey(Kind.NODE, Name("", "node-b"))
    assert ending(Event(gone, EventType.WARNING, "ProxyARP", "m", "c"), seen()) is None
    assert ending(Event(node, EventType.NORMAL, "KernelAnswersOver", "m", "c"), seen()) is None

"""What the witness finds is a warning on the Services concerned, in the words of the log."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.decide.worlds import service, world

from metalev.decide.speaker import SpeakerDecider, speaker_state
from metalev.decide.witnessing import REASONS, witness_events
from metalev.model.ownership import Fact, FactKind
from metalev.model.snapshot import Snapshot
from metalev.runtime.facts import FactLevels

ADDRESS = ip_address("10.0.0.1")


def found(cause: str, kind: FactKind = FactKind.WITNESS) -> Fact:
    return Fact(kind, 1.0, cause, f"10.0.0.1 is announced by node-b: {cause}", addresses=(ADDRESS,), peer="node-b")


def seen(*facts: Fact) -> Snapshot:
    levels = FactLevels()
    for fact in facts:
        levels.note(fact)
    return replace(world(service("web", "10.0.0.1"), service("other", "10.0.0.2")), **levels.fields())


def told(snapshot: Snapshot) -> list[str]:
    desired = SpeakerDecider("node-a").desired(snapshot)
    return [
        f"{one.regarding.name.name} {one.type} {one.reason} {one.message}" for one in witness_events(snapshot, desired)
    ]


@pytest.mark.parametrize(("cause", "reason"), REASONS.items())
def test_each_finding_is_a_warning_on_the_service_alone_that_has_the_address(cause: str, reason: str) -> None:
    assert told(seen(found(cause))) == [f"web Warning {reason} 10.0.0.1 is announced by node-b: {cause}"]


def test_what_is_answered_again_is_told_no_more() -> None:
    assert told(seen(found("no-answer"), found("answered", FactKind.WITNESS_OVER))) == []


def test_it_stands_among_the_problems_of_the_speaker_s_state() -> None:
    snapshot = seen(found("no-answer"))
    state = speaker_state(snapshot, "node-a", SpeakerDecider("node-a").desired(snapshot))
    assert state.problems == ("10.0.0.1 is announced by node-b: no-answer",)

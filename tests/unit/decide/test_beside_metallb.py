"""While speakers of MetalLB run on some nodes, nobody answers twice."""

from collections.abc import Sequence
from ipaddress import ip_address
from itertools import product

import pytest
from msgspec.structs import replace
from tests.unit.decide.worlds import NODES, service, world

from metalev.decide.announcements import Announcements, foreign_speakers
from metalev.decide.candidates import Why, in_order
from metalev.decide.controller import ControllerDecider
from metalev.model.cluster import SpeakerPod
from metalev.model.meta import Name
from metalev.model.ownership import Candidate
from metalev.model.snapshot import Snapshot

WEB = service("web", "10.0.0.1")  # its order is b, a, c


def pod(node: str, *, foreign: bool = True, running: bool = True, gossips: bool = True) -> SpeakerPod:
    return SpeakerPod(Name("metallb-system", f"speaker-{node}"), "", node, running, foreign, gossips)


def beside(*pods: SpeakerPod) -> Snapshot:
    return replace(world(WEB), speaker_pods={one.name: one for one in pods})


def candidates(snapshot: Snapshot) -> list[str]:
    return [one.node for one in Announcements("node-a").update(snapshot)[WEB.name].candidates]


def by_metallb(members: Sequence[str]) -> list[str]:
    """Who announces, by MetalLB's own rule, among the members of its memberlist."""
    return [one.node for one in in_order(map(Candidate, members), ip_address("10.0.0.1"))][:1]


@pytest.mark.parametrize("kept", list(product((False, True), repeat=3)))
def test_one_side_announces_at_every_step_of_a_rolling_replacement(kept: tuple[bool, ...]) -> None:
    theirs = [node for node, stays in zip(NODES, kept, strict=True) if stays]
    ours = candidates(beside(*(pod(node, foreign=node in theirs) for node in NODES)))
    assert bool(by_metallb(theirs)) != bool(ours)
    assert not set(theirs) & set(ours)


def test_without_a_memberlist_the_first_of_all_nodes_announces_whosever_it_is() -> None:
    assert candidates(beside(pod("node-b", gossips=False))) == []
    assert candidates(beside(pod("node-a", gossips=False))) == ["node-b", "node-c"]


def test_a_pod_that_has_not_begun_or_has_ended_does_not_count() -> None:
    assert candidates(beside(pod("node-b", running=False))) == ["node-b", "node-a", "node-c"]


def test_our_own_speakers_do_not_count() -> None:
    assert foreign_speakers([pod("node-a", foreign=False)]) == {}


def test_the_reason_says_who_announces() -> None:
    announcement = Announcements("node-a").update(beside(pod("node-c")))[WEB.name]
    assert dict(announcement.excluded) == dict.fromkeys(NODES, Why.METALLB)


def test_what_metallb_announces_is_not_called_unannounced() -> None:
    assert ControllerDecider().desired(beside(pod("node-c"))).unannounced == {}

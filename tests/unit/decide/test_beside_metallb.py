"""While speakers of MetalLB run on some nodes, nobody answers twice."""

from collections.abc import Sequence
from ipaddress import ip_address
from itertools import product

import pytest
from msgspec.structs import replace
from tests.unit.decide.worlds import NODES, service, world

from metalev.decide.announcements import Announcements, foreign_speakers
from metalev.decide.candidates import Announcement, Why, in_order
from metalev.decide.controller import ControllerDecider
from metalev.decide.speaker import SpeakerDecider
from metalev.model.cluster import SpeakerPod
from metalev.model.meta import Name
from metalev.model.ownership import Candidate
from metalev.model.snapshot import Snapshot

WEB = service("web", "10.0.0.1")  # its order is b, a, c


def pod(
    node: str, *, foreign: bool = True, running: bool = True, ready: bool = True, gossips: bool = True, of: str = ""
) -> SpeakerPod:
    return SpeakerPod(Name("metallb-system", f"speaker-{node}{of}"), "", node, running, ready, foreign, gossips)


def beside(*pods: SpeakerPod) -> Snapshot:
    return replace(world(WEB), speaker_pods={one.name: one for one in pods})


def announcement(snapshot: Snapshot) -> Announcement:
    return Announcements("node-a").update(snapshot)[WEB.name]


def candidates(snapshot: Snapshot) -> list[str]:
    return [one.node for one in announcement(snapshot).candidates]


def by_metallb(members: Sequence[str]) -> list[str]:
    """Who announces, by MetalLB's own rule, among the members of its memberlist."""
    return [one.node for one in in_order(map(Candidate, members), ip_address("10.0.0.1"))][:1]


@pytest.mark.parametrize("kept", list(product((False, True), repeat=3)))
def test_one_side_announces_at_every_step_of_a_rolling_replacement(kept: tuple[bool, ...]) -> None:
    theirs = [node for node, stays in zip(NODES, kept, strict=True) if stays]
    ours = candidates(beside(*(pod(node, foreign=node in theirs) for node in NODES)))
    assert bool(by_metallb(theirs)) != bool(ours)
    assert not set(theirs) & set(ours)


@pytest.mark.parametrize("kept", list(product((False, True), repeat=3)))
def test_so_it_is_without_a_memberlist_where_each_goes_by_the_list_of_nodes(kept: tuple[bool, ...]) -> None:
    theirs = [node for node, stays in zip(NODES, kept, strict=True) if stays]
    ours = candidates(beside(*(pod(node, foreign=node in theirs, gossips=False) for node in NODES)))
    assert bool(set(by_metallb(NODES)) & set(theirs)) != bool(ours)
    assert not set(theirs) & set(ours)


def test_without_a_memberlist_the_first_of_all_nodes_announces_whosever_it_is() -> None:
    assert candidates(beside(pod("node-b", gossips=False))) == []
    assert candidates(beside(pod("node-a", gossips=False))) == ["node-b", "node-c"]


def test_while_the_first_of_metallbs_comes_up_ours_keep_what_they_announce() -> None:
    found = announcement(beside(pod("node-b", ready=False), pod("node-a", foreign=False)))
    assert ([one.node for one in found.candidates], found.gives_way) == (["node-a", "node-c"], True)
    assert found.excluded == {"node-b": Why.METALLB}


def test_one_of_metallbs_that_is_ready_is_enough_to_have_it_all() -> None:
    found = announcement(beside(pod("node-b", ready=False), pod("node-c")))
    assert (found.candidates, found.gives_way) == ((), False)


def test_where_one_ends_and_the_next_begins_the_one_that_is_ready_counts() -> None:
    pods = pod("node-b"), pod("node-b", ready=False, of="-next")
    assert [candidates(beside(*order)) for order in (pods, pods[::-1])] == [[], []]


def test_one_that_comes_up_without_a_memberlist_has_only_what_is_the_first_nodes() -> None:
    assert announcement(beside(pod("node-b", ready=False, gossips=False))).gives_way
    assert not announcement(beside(pod("node-a", ready=False, gossips=False))).gives_way


def test_a_group_gives_way_as_its_services_do() -> None:
    (group,) = SpeakerDecider("node-a").desired(beside(pod("node-b", ready=False))).table.groups
    assert group.gives_way


def test_a_speaker_that_comes_up_where_it_may_not_announce_matters_to_nobody() -> None:
    assert not announcement(beside(pod("node-x", ready=False))).gives_way


def test_a_pod_that_has_not_begun_or_has_ended_does_not_count() -> None:
    assert candidates(beside(pod("node-b", running=False))) == ["node-b", "node-a", "node-c"]


def test_our_own_speakers_do_not_count() -> None:
    assert foreign_speakers([pod("node-a", foreign=False)]) == {}


def test_the_reason_says_who_announces() -> None:
    assert dict(announcement(beside(pod("node-c"))).excluded) == dict.fromkeys(NODES, Why.METALLB)


def test_what_metallb_announces_is_not_called_unannounced() -> None:
    assert ControllerDecider().desired(beside(pod("node-c"))).unannounced == {}

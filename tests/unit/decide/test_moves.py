"""What the engine is told of moves: who keeps what it announces, and when a better candidate takes it back."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.decide.test_candidates import EVERYTHING, advertisement, announce, node, service
from tests.unit.decide.worlds import service as service_of
from tests.unit.decide.worlds import world

from metalev.decide.candidates import Why, calmest
from metalev.decide.moved import moves
from metalev.decide.speaker import SpeakerDecider, speaker_state
from metalev.model.cluster import EXCLUDE_LABEL, Node
from metalev.model.ownership import Fact, FactKind, Group, Preempt
from metalev.model.services import Endpoint
from metalev.model.snapshot import Snapshot

WEB, DNS = service_of("web", "10.0.0.1"), service_of("dns", "10.0.0.2")
EXCLUDED, OTHER = node("node-a", {EXCLUDE_LABEL: ""}), node("node-b")


def groups(snapshot: Snapshot, preempt: Preempt = Preempt.STICKY) -> tuple[Group, ...]:
    return SpeakerDecider("node-a", preempt=preempt).desired(snapshot).table.groups


def excluded(snapshot: Snapshot) -> Snapshot:
    """The same with every node excluded."""
    labelled = {name: replace(one, labels={EXCLUDE_LABEL: ""}) for name, one in snapshot.nodes.items()}
    return replace(snapshot, nodes=labelled)


def saying(*words: str) -> Snapshot:
    """A world with one advertisement for each of ``words``, which says it of moves back."""
    (one,) = world().l2_advertisements.values()
    said = [replace(one, name=replace(one.name, name=f"adv-{n}"), preempt=word) for n, word in enumerate(words)]
    return replace(world(WEB), l2_advertisements={each.name: each for each in said})


# --- who keeps it ---


@pytest.mark.parametrize(
    "unfit",
    [
        EXCLUDED,
        node("node-a", network_unavailable=True),
        replace(node("node-a"), out_of_service=True),
    ],
    ids=["label", "condition", "taint"],
)
def test_a_node_that_may_not_announce_but_could_serve_keeps_what_it_has(unfit: Node) -> None:
    announcement = announce(service(), EVERYTHING, nodes=(unfit, OTHER))
    assert [one.node for one in announcement.candidates] == ["node-b"]
    assert announcement.serves


def test_a_node_out_of_service_is_no_candidate() -> None:
    gone = replace(node("node-a"), out_of_service=True)
    assert announce(service(), EVERYTHING, nodes=(gone, OTHER)).excluded == {"node-a": Why.OUT_OF_SERVICE}


def test_a_node_that_is_not_advertised_from_keeps_nothing() -> None:
    assert not announce(service(), advertisement(nodes=("node-b",))).serves


def test_nothing_is_kept_without_endpoints() -> None:
    assert not announce(service(), EVERYTHING, nodes=(EXCLUDED, OTHER), endpoints=()).serves


@pytest.mark.parametrize(("where", "keeps"), [("node-a", True), ("node-b", False)])
def test_a_local_service_is_kept_only_where_its_endpoints_are(where: str, *, keeps: bool) -> None:
    endpoints = (Endpoint(("10.1.0.1",), where),)
    announcement = announce(service(local=True), EVERYTHING, nodes=(EXCLUDED, OTHER), endpoints=endpoints)
    assert announcement.serves is keeps


def test_a_group_without_a_candidate_stays_with_its_last_announcer() -> None:
    (group,) = groups(excluded(world(WEB)))
    assert (group.candidates, group.keeps) == ((), True)


def test_a_group_is_kept_only_if_each_of_its_services_can_be_served() -> None:
    shared = [service_of(name, "10.0.0.1") for name in ("web", "dns")]
    snapshot = excluded(world(*shared))
    (group,) = groups(snapshot)
    assert group.keeps
    only_one = {name: slices for name, slices in snapshot.endpoints.items() if name == shared[0].name}
    assert groups(replace(snapshot, endpoints=only_one)) == ()


# --- when it is taken back ---


def test_without_a_word_the_speakers_option_counts() -> None:
    assert groups(saying(""))[0].preempt is Preempt.STICKY
    assert groups(saying(""), Preempt.BALANCED)[0].preempt is Preempt.BALANCED


@pytest.mark.parametrize("word", Preempt)
def test_an_advertisement_says_when_its_addresses_go_back(word: Preempt) -> None:
    assert groups(saying(word), Preempt.BALANCED)[0].preempt is word


def test_of_advertisements_that_disagree_the_one_counts_under_which_least_moves() -> None:
    assert groups(saying("immediate", "balanced"))[0].preempt is Preempt.BALANCED
    assert groups(saying("immediate", "sticky"))[0].preempt is Preempt.STICKY


def test_an_advertisement_that_says_nothing_has_no_say() -> None:
    assert groups(saying("immediate", ""))[0].preempt is Preempt.IMMEDIATE


def test_of_services_that_share_an_address_the_calmest_counts() -> None:
    assert calmest([Preempt.IMMEDIATE, None, Preempt.BALANCED]) is Preempt.BALANCED
    assert calmest([None]) is None


def test_a_word_that_there_is_not_is_a_problem_and_has_no_effect() -> None:
    snapshot = saying("imediate")
    decider = SpeakerDecider("node-a", preempt=Preempt.BALANCED)
    desired = decider.desired(snapshot)
    assert desired.table.groups[0].preempt is Preempt.BALANCED
    (problem,) = speaker_state(snapshot, "node-a", desired).problems
    assert problem.endswith(
        "adv-0: metalev.io/preempt is 'imediate', which has no effect: write one of sticky, balanced, immediate"
    )


# --- what is told of it ---


def moved_events(cause: str, peer: str = "node-b", *names: str) -> list[tuple[str, str]]:
    """The events ``announcerMoved`` after node-a took over, by Service."""
    services = [service_of(name, "10.0.0.1") for name in names or ("web",)]
    group = ip_address("10.0.0.1")
    fact = Fact(FactKind.TOOK, 7.0, cause, "", group=group, addresses=(group,), term=2, peer=peer)
    snapshot = replace(world(*services), held={"10.0.0.1": fact})
    desired = SpeakerDecider("node-a").desired(snapshot)
    before = speaker_state(world(*services), "node-a", desired)
    after = speaker_state(snapshot, "node-a", desired)
    assert not any(moves(after, after, desired, snapshot.held)), "it is told once"
    told = moves(before, after, desired, snapshot.held)
    assert all(event.reason == "announcerMoved" for event in told)
    return [(str(event.regarding), event.message) for event in moves(before, after, desired, snapshot.held)]


def test_a_move_is_told_on_each_service_with_its_origin_and_cause() -> None:
    said = '10.0.0.1 moved from node "node-b" to node "node-a": missed-beacons; open connections do not survive a move'
    assert moved_events("missed-beacons", "node-b", "web", "dns") == [
        ("Service shop/dns", said),
        ("Service shop/web", said),
    ]


def test_whoever_was_passed_over_is_not_where_it_came_from() -> None:
    ((_, said),) = moved_events("passed-over")
    assert said.startswith('10.0.0.1 moved to node "node-a": passed-over')


@pytest.mark.parametrize("cause", ["first-candidate", "resumed", "link", "regrouped"])
def test_what_nobody_had_before_has_not_moved(cause: str) -> None:
    assert moved_events(cause) == []

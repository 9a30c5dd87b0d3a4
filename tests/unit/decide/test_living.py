"""What a speaker said of others' hosts counts as long as it lives."""

from __future__ import annotations

from ipaddress import ip_address

from tests.unit.decide.worlds import node

from metalev.decide.keepback import addresses_in_use, clean_addresses, conflicts
from metalev.decide.living import living_speakers
from metalev.model.actions import Conflict, SpeakerState
from metalev.model.cluster import SpeakerPod
from metalev.model.meta import Name


def state(name: str, *heard: str) -> SpeakerState:
    return SpeakerState(Name("", name), peers_heard=heard)


def living(*states: SpeakerState, nodes: str = "", pods: tuple[SpeakerPod, ...] = ()) -> str:
    """The names of those who live, of one letter each."""
    known = {Name("", one): node(one) for one in nodes}
    return "".join(one.name.name for one in living_speakers(known, {one.name: one for one in states}, pods))


def pod(node: str, *, running: bool = True, foreign: bool = False) -> SpeakerPod:
    return SpeakerPod(Name("metallb-system", f"speaker-{node}"), node=node, running=running, foreign=foreign)


def test_those_who_hear_each_other_live() -> None:
    assert living(state("a", "b", "c"), state("b", "a", "c"), state("c", "a", "b")) == "abc"


def test_one_who_is_heard_no_more_by_those_whom_it_says_to_hear_does_not() -> None:
    assert living(state("a", "b", "c"), state("b", "c"), state("c", "b")) == "bc"


def test_two_who_died_do_not_keep_each_other_alive() -> None:
    assert living(state("a", "b", "c", "d"), state("b", "a", "c", "d"), state("c", "d"), state("d", "c")) == "cd"


def test_one_who_is_heard_by_some_lives() -> None:
    assert living(state("a", "b", "c"), state("b", "a", "c"), state("c", "b")) == "abc"


def test_one_who_hears_nobody_may_be_alone_and_is_believed() -> None:
    assert living(state("a")) == "a"
    assert living(state("a"), state("b", "c"), state("c", "b")) == "abc"


def test_one_whose_node_is_gone_does_not_live() -> None:
    assert living(state("a"), state("b"), nodes="b") == "b"


def test_one_whose_pod_does_not_run_does_not_live() -> None:
    assert living(state("a"), state("b"), state("c"), pods=(pod("a"), pod("b", running=False))) == "a"


def test_pods_of_metallb_say_nothing_of_ours() -> None:
    assert living(state("a"), pods=(pod("b", foreign=True),)) == "a"


def test_what_one_said_of_others_ends_with_it_and_what_it_said_of_its_own_node_does_not() -> None:
    said = SpeakerState(
        Name("", "a"),
        peers_heard=("b",),
        local_addresses=("10.0.0.1",),
        conflicts=(Conflict("10.0.0.2", "02:00:00:00:09:09"),),
        clean=("10.0.0.3",),
    )
    states = {said.name: said, Name("", "b"): state("b")}
    nodes = {Name("", one): node(one) for one in "ab"}
    alive = living_speakers(nodes, states)
    assert set(addresses_in_use(nodes, states, alive)) & set(map(ip_address, ("10.0.0.1", "10.0.0.2"))) == {
        ip_address("10.0.0.1")
    }
    assert (conflicts(alive), clean_addresses(alive)) == ({}, frozenset())

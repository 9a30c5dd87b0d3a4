"""What a drill makes of the table, for how long, and who holds an address meanwhile."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metalev.decide.drills import drilled, holders, latest, sent_back
from metalev.model.actions import Holding, SpeakerState
from metalev.model.drills import Drill, DrillMode
from metalev.model.meta import Name
from metalev.model.ownership import Candidate, Group, OwnershipTable, Silence

VIP, OTHER = ip_address("192.0.2.1"), ip_address("192.0.2.2")


def drill(*nodes: str, mode: DrillMode = DrillMode.MOVE, name: str = "one", seconds: int = 30) -> Drill:
    return Drill(Name("metallb-system", name), address=VIP, nodes=nodes, mode=mode, seconds=seconds)


def table(*nodes: str) -> OwnershipTable:
    candidates = tuple(Candidate(node) for node in nodes)
    return OwnershipTable(groups=(Group(VIP, (VIP,), candidates), Group(OTHER, (OTHER,), candidates)))


def candidates(made: OwnershipTable) -> list[list[str]]:
    return [[one.node for one in group.candidates] for group in made.groups]


def test_without_drills_the_table_is_the_same_object() -> None:
    before = table("node1")
    assert drilled(before, (), "node1") is before


def test_a_move_takes_the_node_out_of_the_candidates_of_that_address_alone() -> None:
    made = drilled(table("node1", "node2"), [drill("node1")], "node3")
    assert candidates(made) == [["node2"], ["node1", "node2"]]
    assert made.silence is None


def test_only_the_node_that_is_moved_away_from_is_told_that_a_drill_is_why() -> None:
    def told(node: str, *drills: Drill, candidates: tuple[str, ...] = ("node1", "node2")) -> list[bool]:
        return [group.drilled for group in drilled(table(*candidates), drills, node).groups]

    assert told("node1", drill("node1")) == [True, False]
    assert told("node2", drill("node1")) == [False, False]
    assert told("node1", drill("node1", mode=DrillMode.CRASH)) == [False, False]
    # It may not announce it anyway, or the drill is not followed.
    assert told("node3", drill("node3")) == [False, False]
    assert told("node1", drill("node1"), candidates=("node1",)) == [False, False]


def test_addresses_that_move_together_are_drilled_together() -> None:
    both = OwnershipTable(groups=(Group(OTHER, (OTHER, VIP), (Candidate("node1"), Candidate("node2"))),))
    assert candidates(drilled(both, [drill("node1")], "node1")) == [["node2"]]


def test_a_move_that_would_leave_an_address_to_nobody_is_not_followed() -> None:
    assert candidates(drilled(table("node1"), [drill("node1")], "node1")) == [["node1"], ["node1"]]


def test_a_crash_silences_the_node_that_it_names_and_no_other() -> None:
    crash = drill("node1", mode=DrillMode.CRASH, seconds=5)
    made = drilled(table("node1", "node2"), [crash], "node1")
    assert made.silence == Silence("metallb-system/one", 5.0)
    assert candidates(made) == candidates(table("node1", "node2"))
    assert drilled(table("node1", "node2"), [crash], "node2").silence is None


def state(node: str, term: int, *addresses: str) -> SpeakerState:
    holding = Holding(addresses[0], addresses, (), term, "first-candidate", ())
    return SpeakerState(name=Name("", node), holdings=(holding,))


def test_of_two_that_say_that_they_hold_an_address_the_one_with_the_later_term_took_it_last() -> None:
    found = holders([state("node1", 1, str(VIP)), state("node2", 2, str(VIP)), state("node3", 9, str(OTHER))], VIP)
    assert set(found) == {"node1", "node2"}
    assert latest(found) == "node2"
    assert latest({}) == ""


@pytest.mark.parametrize(
    ("to", "holder", "without"),
    [
        ("node1", "node2", ("node2",)),
        ("node2", "node1", ("node1",)),
        ("node3", "node2", ("node2", "node1")),
        ("node3", "node9", ("node9", "node1", "node2")),
    ],
)
def test_an_address_comes_back_if_its_holder_and_all_before_are_left_out(
    to: str, holder: str, without: tuple[str, ...]
) -> None:
    assert sent_back(["node1", "node2", "node3"], to, holder) == without

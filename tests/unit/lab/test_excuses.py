"""Which moves of an address a late speaker excuses, and which not."""

from __future__ import annotations

from ipaddress import ip_address

from tests.kubernetes.asking import SLACK_S, Move, Stall, late_nodes, unexplained
from tests.kubernetes.said import Said

VIP, OTHER = ip_address("192.0.2.1"), ip_address("192.0.2.2")
GIVEN_UP = "10:00 INFO  node2 is no longer heard on eth0: silent for 310 ms (patience 160 ms)"


def log(*lines: str) -> Said:
    said: list[str] = []
    log = Said(lambda: said)
    said += lines
    return log


def test_who_is_not_heard_or_did_not_run_was_late() -> None:
    lines = (
        GIVEN_UP,
        "10:00 INFO  took 192.0.2.1 (term 3): its announcer node2 missed 3 beacons (silent for 310 ms)",
        "10:00 WARN  did not run for 400 ms (the promise lasts 150 ms): listening before anything is taken",
        "10:00 INFO  node3 has to be heard anew on eth0: this node did not run",
        "10:00 INFO  node3 is heard on eth0",
    )
    assert late_nodes("node1", log(*lines)) == ["node2", "node2", "node1", "node1"]


def test_what_the_late_one_had_may_move_and_nothing_else() -> None:
    before, after = {VIP: "node2", OTHER: "node3"}, {VIP: "node1", OTHER: "node1"}
    logs = {"node1": log(GIVEN_UP), "node3": log()}
    assert unexplained(before, after, logs) == {OTHER: ("node3", "node1")}


def test_who_was_silenced_excuses_nothing() -> None:
    before, after = {VIP: "node2"}, {VIP: "node1"}
    assert unexplained(before, after, {"node1": log(GIVEN_UP)}, "node2") == {VIP: ("node2", "node1")}
    assert unexplained(before, after, {"node1": log(GIVEN_UP)}, "node1") == {VIP: ("node2", "node1")}


def test_a_stall_explains_a_move_from_its_node_and_back_at_that_time_only() -> None:
    stall = Stall("node2", since=10.0, until=11.0)
    assert stall.explains(Move(VIP, "node2", "node1", at=10.5))
    assert stall.explains(Move(VIP, "node1", "node2", at=11 + SLACK_S))
    assert not stall.explains(Move(VIP, "node2", "node1", at=11.1 + SLACK_S))
    assert not stall.explains(Move(VIP, "node2", "node1", at=9.9 - SLACK_S))
    assert not stall.explains(Move(VIP, "node1", "node3", at=10.5))

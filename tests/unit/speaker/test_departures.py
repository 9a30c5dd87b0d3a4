"""What a move costs, from the engine's facts to the log and the counter."""

import logging
from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from metalev.model.address import IPAddress
from metalev.model.errors import Unavailable
from metalev.model.ownership import Fact, FactKind
from metalev.speaker.departures import Departures

VIP, SECOND = ip_address("192.0.2.1"), ip_address("192.0.2.2")


def took(at: float, *addresses: IPAddress, cause: str = "first-candidate") -> Fact:
    return Fact(FactKind.TOOK, at, cause, "took", addresses[0], addresses, 1)


def yielded(at: float, *addresses: IPAddress, cause: str = "stopping") -> Fact:
    return Fact(FactKind.YIELDED, at, cause, "handed over", addresses[0], addresses, 1, "node2")


class Counting:
    """A table of connections, what it was asked for, and what was counted."""

    def __init__(self, open_: Mapping[IPAddress, int] | Unavailable) -> None:
        self.open = open_
        self.asked: list[Mapping[IPAddress, float]] = []
        self.counted: list[tuple[str, int]] = []
        self.departures = Departures(self._look, lambda cause, number: self.counted.append((cause, number)))

    def _look(self, since: Mapping[IPAddress, float]) -> Mapping[IPAddress, int]:
        self.asked.append(since)
        if isinstance(self.open, Unavailable):
            raise self.open
        return self.open


def test_the_connections_of_what_has_moved_away_are_counted_by_its_cause_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    counting = Counting({VIP: 3, SECOND: 4})
    counting.departures.note([took(10, VIP, SECOND), yielded(70, VIP, SECOND)])
    assert counting.counted == [("stopping", 7)]
    what = "7 TCP connections to 192.0.2.1, 192.0.2.2 were open through this node"
    assert caplog.messages == [f"{what}, and do not survive if another node has it now"]
    assert caplog.records[0].__dict__["fields"] == {"group": VIP, "cause": "stopping", "peer": "node2"}


def test_only_those_count_that_were_used_since_the_address_came_here() -> None:
    counting = Counting({})
    counting.departures.note([took(10, VIP), yielded(70, VIP)])
    counting.departures.note([took(100, VIP), yielded(105, VIP)])
    assert counting.asked == [{VIP: 60}, {VIP: 5}]


def test_what_is_told_anew_or_moves_with_others_now_has_been_here_all_the_while() -> None:
    counting = Counting({})
    counting.departures.note([took(10, VIP), took(20, VIP, cause="link"), yielded(30, VIP, cause="regrouped")])
    counting.departures.note([took(30, VIP, SECOND, cause="regrouped"), yielded(40, VIP, SECOND)])
    assert counting.asked == [{VIP: 30, SECOND: 10}]


def test_one_look_is_enough_for_all_that_goes_at_once() -> None:
    counting = Counting({SECOND: 1})
    counting.departures.note([took(0, VIP), took(0, SECOND), yielded(9, VIP), yielded(9, SECOND, cause="drill")])
    assert len(counting.asked) == 1
    assert counting.counted == [("stopping", 0), ("drill", 1)]


def test_what_no_service_has_any_more_costs_nothing() -> None:
    counting = Counting({VIP: 3})
    counting.departures.note([took(0, VIP), yielded(9, VIP, cause="removed")])
    assert counting.asked == []
    assert counting.counted == []


def test_nothing_is_said_of_no_connections(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    counting = Counting({})
    counting.departures.note([took(0, VIP), yielded(9, VIP)])
    assert (counting.counted, caplog.messages) == ([("stopping", 0)], [])


def test_a_kernel_that_does_not_show_them_is_named_once_and_counts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    counting = Counting(Unavailable("/proc/net/nf_conntrack: Permission denied"))
    for at in (10.0, 20.0):
        counting.departures.note([took(at, VIP), yielded(at + 1, VIP)])
    assert counting.counted == []
    what = "how many connections a move costs is not known here: the kernel does not show them"
    assert caplog.messages == [f"{what} (/proc/net/nf_conntrack: Permission denied)"]

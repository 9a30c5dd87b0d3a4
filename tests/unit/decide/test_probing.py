"""Which addresses the speakers are to find out about: those that are given away next, the same on every node."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.worlds import pool, service, world

from metalev.decide.probing import AHEAD, MOST, TAKEN_BY_OTHERS, Outlook
from metalev.decide.speaker import SpeakerDecider
from metalev.model.ownership import Fact, FactKind, Probe
from metalev.model.snapshot import Snapshot


def in_conflict(snapshot: Snapshot, *addresses: str) -> Snapshot:
    fact = Fact(FactKind.CONFLICT, 1.0, "probe", "")
    return replace(snapshot, conflicts=dict.fromkeys(addresses, fact))


def asked(snapshot: Snapshot) -> list[str]:
    return [str(one) for one in Outlook().next_free(snapshot)]


def test_the_free_addresses_of_a_pool_are_asked_for_in_the_order_in_which_they_are_given() -> None:
    assert asked(world(service("web", "10.0.0.1"))) == ["10.0.0.0", "10.0.0.2", "10.0.0.3"]


def test_both_families_and_every_pool_are_asked_for() -> None:
    pools = (pool("a", "10.0.0.0/31", "2001:db8::/127"), pool("b", "10.1.0.0/31"))
    both = ["10.0.0.0", "10.0.0.1", "2001:db8::", "2001:db8::1", "10.1.0.0", "10.1.0.1"]
    assert asked(world(pools=pools)) == both


def test_a_large_pool_is_not_walked() -> None:
    assert len(asked(world(pools=(pool("a", "10.0.0.0/8", "2001:db8::/32"),)))) == 2 * AHEAD


def test_many_pools_share_what_is_asked_for_in_all() -> None:
    many = tuple(pool(f"p{n}", f"10.{n}.0.0/24") for n in range(100))
    found = asked(world(pools=many))
    assert len(found) <= MOST
    assert {text.split(".")[1] for text in found} == {str(n) for n in range(100)}


def test_for_each_that_somebody_has_one_more_is_asked_for() -> None:
    snapshot = world(pools=(pool("a", "10.0.0.0/24"),))
    found = asked(in_conflict(snapshot, "10.0.0.0", "10.0.0.5"))
    assert found == [f"10.0.0.{last}" for last in range(AHEAD + 2)]


def test_a_pool_that_others_use_up_has_an_end() -> None:
    everything = [str(ip_address("10.0.0.0") + n) for n in range(1024)]
    snapshot = world(pools=(pool("a", "10.0.0.0/16"),))
    assert len(asked(in_conflict(snapshot, *everything))) == TAKEN_BY_OTHERS


def test_addresses_of_nodes_and_of_those_that_are_avoided_are_not_asked_for() -> None:
    one = replace(pool("a", "192.0.1.254-192.0.2.2"), avoid_buggy_ips=True)
    assert asked(world(pools=(one,))) == ["192.0.1.254", "192.0.2.2"]


def test_what_did_not_change_is_not_worked_out_again() -> None:
    outlook, snapshot = Outlook(), world()
    assert outlook.next_free(snapshot) is outlook.next_free(replace(snapshot, held={}))


def test_the_option_says_whether_and_how() -> None:
    snapshot = world()
    modes = {mode: SpeakerDecider("node-a", probe=mode).desired(snapshot).table.probing for mode in Probe}
    assert (modes[Probe.OFF].addresses, modes[Probe.OFF].full) == ((), False)
    assert (len(modes[Probe.AHEAD].addresses), modes[Probe.AHEAD].full) == (4, False)
    assert modes[Probe.FULL].full

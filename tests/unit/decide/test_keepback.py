"""Nobody is given an address that the network itself uses; who has one already keeps it, with a warning."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.allocations import complaint, decide, given, ledger, pool, service, told

from metalev.decide.keepback import addresses_in_use, conflicts, skipped
from metalev.decide.ledger import ALONE, Ledger
from metalev.model.actions import Conflict, SpeakerState
from metalev.model.address import IPAddress
from metalev.model.cluster import Node
from metalev.model.meta import Name
from metalev.model.pools import PoolStatus

N = Name("", "node-a")


def books(*barred: str) -> Ledger:
    made = ledger(pool("main", "10.0.0.0/30"))
    made.bar({ip_address(text): 'of node "node-a"' for text in barred})
    return made


def test_all_addresses_of_a_node_its_interfaces_and_its_gateways_are_in_use() -> None:
    node = Node(N, addresses=(ip_address("10.0.0.1"),), other_addresses=(ip_address("192.0.2.1"),))
    state = SpeakerState(
        N, local_addresses=("10.0.0.2/24", "fe80::1%eth0", "rubbish", "10.0.0.1"), gateways=("10.0.0.9",)
    )
    found = addresses_in_use({N: node}, {N: state}, [state])
    assert {str(address): whose for address, whose in found.items()} == {
        "10.0.0.1": 'of node "node-a"',
        "192.0.2.1": 'of node "node-a"',
        "10.0.0.9": 'of a gateway of node "node-a"',
        "10.0.0.2": 'on an interface of node "node-a"',
        "fe80::1": 'on an interface of node "node-a"',
    }


GONE = SpeakerState(Name("", "node-b"), local_addresses=("10.0.0.2/24",), gateways=("10.0.0.9",))


def test_what_the_speaker_of_a_node_that_is_gone_said_does_not_count() -> None:
    node = Node(N, addresses=(ip_address("10.0.0.1"),))
    assert addresses_in_use({N: node}, {GONE.name: GONE}, []) == {ip_address("10.0.0.1"): 'of node "node-a"'}


def test_what_a_speaker_says_counts_where_no_node_is_known() -> None:
    assert set(addresses_in_use({}, {GONE.name: GONE}, [])) == {ip_address("10.0.0.2"), ip_address("10.0.0.9")}


def test_such_an_address_is_passed_over() -> None:
    assert given(decide(service(), books("10.0.0.0", "10.0.0.1"))) == ["10.0.0.2"]


def test_it_is_not_given_to_who_asks_for_it_either_and_that_is_explained() -> None:
    allocation = decide(service(wish="10.0.0.1"), books("10.0.0.1"))
    assert complaint(allocation) == '"10.0.0.1" is not allowed in config: it is an address of node "node-a"'


def test_a_pool_of_such_addresses_is_full() -> None:
    all_four = [f"10.0.0.{last}" for last in range(4)]
    assert complaint(decide(service(), books(*all_four))) == "no available IPs"


def test_who_holds_one_keeps_it_with_a_warning() -> None:
    made = books("10.0.0.1")
    subject = service("10.0.0.1")
    made.hold(subject.name, subject.status.addresses)
    allocation = decide(subject, made)
    assert given(allocation) == ["10.0.0.1"]
    message = '"10.0.0.1" is an address of node "node-a": traffic to it may end there, not at the Service'
    assert told(allocation) == [f"Warning AddressInUse {message}"]
    assert allocation.condition is not None
    assert (allocation.condition.reason, allocation.condition.message) == (
        "AddressInUse",
        f'Assigned IP ["10.0.0.1"]; {message}',
    )


def test_it_counts_neither_as_used_nor_as_available() -> None:
    assert books("10.0.0.1", "10.9.9.9").counts("main") == PoolStatus(available_ipv4=3)


def test_it_is_given_again_when_the_network_does_not_use_it_any_more() -> None:
    made = books("10.0.0.0")
    assert made.first_fit("main", 4, ALONE) == ip_address("10.0.0.1")
    assert made.bar({}) == {ip_address("10.0.0.0")}
    assert made.first_fit("main", 4, ALONE) == ip_address("10.0.0.0")


def test_skipped_addresses_are_named_and_many_are_counted() -> None:
    whose: dict[IPAddress, str] = {ip_address(f"10.0.0.{last}"): "of node x" for last in range(7)}
    text = skipped("main", whose, whose)
    assert text.startswith('pool "main" has addresses that are in use and are not handed out: 10.0.0.0 (of node x), ')
    assert text.endswith("10.0.0.4 (of node x) and 2 more")


def test_up_to_five_of_them_are_named_in_their_order_and_none_is_counted() -> None:
    whose: dict[IPAddress, str] = {ip_address(f"10.0.0.{last}"): "of node x" for last in (10, 9, 8, 11, 7)}
    named = ", ".join(f"10.0.0.{last} (of node x)" for last in (7, 8, 9, 10, 11))
    assert skipped("main", whose, whose).endswith(f"are not handed out: {named}")


def seen_by(text: str, mac: str = "02:00:00:00:00:09", cause: str = "probe") -> SpeakerState:
    """The speaker of a node saw that somebody else has 10.0.0.1."""
    return SpeakerState(Name("", text), conflicts=(Conflict("10.0.0.1", mac, "eth0", cause),))


def whose(nodes: list[Node], *states: SpeakerState) -> str:
    found = addresses_in_use({one.name: one for one in nodes}, {one.name: one for one in states}, states)
    return found[ip_address("10.0.0.1")]


def test_what_is_known_best_of_an_address_says_whose_it_is() -> None:
    node = Node(Name("", "node-c"), addresses=(ip_address("10.0.0.1"),))
    bare = Node(Name("", "node-a"))
    here = replace(seen_by("node-a"), local_addresses=("10.0.0.1/24",))
    router = replace(here, gateways=("10.0.0.1",))
    assert whose([bare, node], router) == 'of node "node-c"'
    assert whose([bare], router) == 'of a gateway of node "node-a"'
    assert whose([bare], here) == 'on an interface of node "node-a"'
    assert whose([bare], seen_by("node-a")).startswith("in use by 02:00:00:00:00:09 (seen on eth0 ")


def test_of_several_nodes_that_say_the_same_the_first_by_name_is_told_in_whatever_order_they_come() -> None:
    nodes = [Node(Name("", text), addresses=(ip_address("10.0.0.1"),)) for text in ("node-b", "node-a")]
    local = [replace(seen_by(text), local_addresses=("10.0.0.1",)) for text in ("node-b", "node-a")]
    others = [seen_by("node-b", mac="02:00:00:00:00:0b"), seen_by("node-a", mac="02:00:00:00:00:0a")]
    assert whose(nodes) == 'of node "node-a"'
    assert whose([], *local) == 'on an interface of node "node-a"'
    assert "02:00:00:00:00:0a" in whose([], *others)


def test_what_comes_after_rubbish_in_a_list_counts() -> None:
    assert whose([], SpeakerState(N, local_addresses=("rubbish", "10.0.0.1"))) == 'on an interface of node "node-a"'


def test_how_a_conflict_came_out_is_told_by_all_who_saw_it() -> None:
    found = conflicts([seen_by("node-a", cause="held-before"), seen_by("node-b", cause="probe")])
    assert found == {ip_address("10.0.0.1"): frozenset({"held-before", "probe"})}

"""Addresses that a Service links move together; together they are all addresses, and each is in one group."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from metalev.decide.candidates import ADVICE, Announcement, Why, in_order
from metalev.decide.groups import Grouping, Groups
from metalev.model.address import IPAddress, sort_key
from metalev.model.meta import Name
from metalev.model.ownership import Candidate

NODES = ("node-a", "node-b", "node-c")
NO_ENDPOINTS = Announcement(excluded=dict.fromkeys(NODES, Why.NO_ENDPOINTS))


def name(text: str) -> Name:
    return Name("shop", text)


def announcement(address: IPAddress, **scores: int) -> Announcement:
    nodes = {key.replace("_", "-"): score for key, score in scores.items()} or dict.fromkeys(NODES, 0)
    excluded = {node: Why.NO_ADVERTISEMENT for node in NODES if node not in nodes}
    return Announcement(in_order((Candidate(*item) for item in nodes.items()), address), excluded)


def form(
    services: Mapping[str, str], announcements: Mapping[str, Announcement] | None = None, groups: Groups | None = None
) -> Grouping:
    held = {name(key): tuple(ip_address(text) for text in listed.split()) for key, listed in services.items()}
    default = {key: announcement(addresses[0]) for key, addresses in held.items()}
    given = {name(key): one for key, one in (announcements or {}).items()}
    return (groups or Groups()).form(held, {**default, **given})


def keys(grouping: Grouping) -> list[str]:
    return [str(group.key) for group in grouping.groups]


def test_services_apart_are_groups_apart_in_the_order_of_their_keys() -> None:
    grouping = form({"c": "2001:db8::1", "b": "10.0.0.10", "a": "10.0.0.9"})
    assert keys(grouping) == ["10.0.0.9", "10.0.0.10", "2001:db8::1"]
    assert grouping.services["10.0.0.9"] == (name("a"),)


def test_a_dual_stack_pair_is_one_group_by_its_first_address() -> None:
    (group,) = form({"a": "2001:db8::1 10.0.0.1"}).groups
    assert str(group.key) == "2001:db8::1"
    assert [str(address) for address in group.addresses] == ["10.0.0.1", "2001:db8::1"]


def test_sharers_are_one_group_with_every_service_named() -> None:
    grouping = form({"b": "10.0.0.1", "a": "10.0.0.1"})
    assert keys(grouping) == ["10.0.0.1"]
    assert grouping.services == {"10.0.0.1": (name("a"), name("b"))}


def test_a_chain_of_sharers_is_one_group() -> None:
    grouping = form({"a": "10.0.0.1 2001:db8::1", "b": "2001:db8::1 10.0.0.2", "c": "10.0.0.2"})
    assert keys(grouping) == ["10.0.0.1"]
    assert len(grouping.groups[0].addresses) == 3


def test_a_sharer_with_the_smaller_first_address_gives_the_key_and_so_the_order() -> None:
    grouping = form({"a": "2001:db8::1", "b": "10.0.0.2 2001:db8::1"})
    (group,) = grouping.groups
    assert str(group.key) == "10.0.0.2"
    assert [one.node for one in group.candidates] == ["node-b", "node-c", "node-a"]


def test_candidates_are_those_of_every_service_and_scores_add_up() -> None:
    address = ip_address("10.0.0.1")
    parts = {"a": announcement(address, node_a=1, node_b=0), "b": announcement(address, node_a=2, node_c=5)}
    grouping = form({"a": "10.0.0.1", "b": "10.0.0.1"}, parts)
    assert grouping.groups[0].candidates == (Candidate("node-a", 3),)
    assert grouping.excluded == {"10.0.0.1": {"node-b": Why.NO_ADVERTISEMENT, "node-c": Why.NO_ADVERTISEMENT}}


def test_an_empty_intersection_is_no_group_and_says_why() -> None:
    address = ip_address("10.0.0.1")
    parts = {
        "a": Announcement((Candidate("node-a"),), {"node-b": Why.NO_LOCAL_ENDPOINTS}),
        "b": Announcement((Candidate("node-b"),), {"node-a": Why.NO_ADVERTISEMENT}),
    }
    grouping = form({"a": "10.0.0.1", "b": "10.0.0.1", "c": "10.0.0.2"}, parts)
    assert keys(grouping) == ["10.0.0.2"]
    assert grouping.nobody == {
        str(address): (
            "these Services share addresses, and no node may announce all of them: "
            f"shop/a: noLocalEndpoints: node-b ({ADVICE[Why.NO_LOCAL_ENDPOINTS]}); "
            f"shop/b: noMatchingAdvertisement: node-a ({ADVICE[Why.NO_ADVERTISEMENT]})"
        )
    }
    assert grouping.services["10.0.0.1"] == (name("a"), name("b"))


def test_a_sharer_that_excludes_nobody_or_that_no_node_may_announce_is_no_reason() -> None:
    address = ip_address("10.0.0.1")
    parts = {
        "a": announcement(address),
        "b": announcement(address, node_a=0),
        "c": announcement(address, node_b=0),
        "d": NO_ENDPOINTS,
    }
    (why,) = form(dict.fromkeys(parts, "10.0.0.1"), parts).nobody.values()
    assert [name for name in ("shop/a:", "shop/b:", "shop/c:", "shop/d:") if name in why] == ["shop/b:", "shop/c:"]


def test_a_sharer_without_endpoints_costs_the_others_nothing() -> None:
    address = ip_address("10.0.0.1")
    served = announcement(address, node_a=1, node_b=0)
    grouping = form({"a": "10.0.0.1", "b": "10.0.0.1"}, {"a": NO_ENDPOINTS, "b": served})
    assert grouping.groups[0].candidates == served.candidates
    assert grouping.excluded == {"10.0.0.1": served.excluded}
    assert grouping.services == {"10.0.0.1": (name("a"), name("b"))}
    assert grouping.nobody == {}
    why = grouping.left_out[name("a")]
    assert grouping.left_out.keys() == {name("a")}
    assert why.startswith("for this Service, only for those that share it: noEndpoints: node-a, node-b, node-c (")


def test_what_only_a_sharer_without_endpoints_holds_is_not_announced() -> None:
    parts = {"a": NO_ENDPOINTS, "b": announcement(ip_address("2001:db8::1"))}
    (group,) = form({"a": "10.0.0.1 2001:db8::1", "b": "2001:db8::1"}, parts).groups
    assert (str(group.key), [str(one) for one in group.addresses]) == ("2001:db8::1", ["2001:db8::1"])
    assert group.candidates == parts["b"].candidates


def test_a_sharer_without_endpoints_takes_no_interface_and_no_last_announcer_away() -> None:
    address = ip_address("10.0.0.1")
    served = Announcement(announcement(address).candidates, interfaces=("eth0",), serves=True)
    (group,) = form({"a": "10.0.0.1", "b": "10.0.0.1"}, {"a": NO_ENDPOINTS, "b": served}).groups
    assert (group.interfaces, group.keeps) == (("eth0",), True)


def test_sharers_that_all_have_no_endpoints_are_announced_by_nobody() -> None:
    grouping = form({"a": "10.0.0.1", "b": "10.0.0.1"}, {"a": NO_ENDPOINTS, "b": NO_ENDPOINTS})
    assert grouping.groups == ()
    assert "shop/a: noEndpoints: node-a, node-b, node-c" in grouping.nobody["10.0.0.1"]
    assert "shop/b: noEndpoints: node-a, node-b, node-c" in grouping.nobody["10.0.0.1"]


def test_a_sharer_that_metallb_answers_for_leaves_the_address_to_it() -> None:
    theirs = Announcement(excluded=dict.fromkeys(NODES, Why.METALLB))
    grouping = form({"a": "10.0.0.1", "b": "10.0.0.1"}, {"a": theirs})
    assert grouping.groups == ()
    assert grouping.excluded["10.0.0.1"] == theirs.excluded


def test_where_every_node_is_excluded_by_label_both_ways_out_are_named() -> None:
    (why,) = form({"a": "10.0.0.1"}, {"a": Announcement(excluded=dict.fromkeys(NODES, Why.EXCLUDED))}).nobody.values()
    assert why == (
        "nodeLabeledExcludeBalancers: node-a, node-b, node-c (remove the label "
        "node.kubernetes.io/exclude-from-external-load-balancers from a node, or start the controller and every "
        "speaker with --ignore-exclude-lb)"
    )


def test_of_many_nodes_the_first_are_named() -> None:
    excluded = {f"node-{number:03}": Why.NO_ENDPOINTS for number in range(300)}
    (why,) = form({"a": "10.0.0.1"}, {"a": Announcement(excluded=excluded)}).nobody.values()
    assert why.startswith("noEndpoints: node-000, node-001, node-002, node-003, node-004 and 295 more (")


def test_without_nodes_it_says_so() -> None:
    assert form({"a": "10.0.0.1"}, {"a": Announcement()}).nobody == {"10.0.0.1": "no node is known"}


def test_interfaces_of_sharers_are_united() -> None:
    candidates = (Candidate("node-a"),)
    one, two, all_of_them = (Announcement(candidates, {}, listed) for listed in (("eth0",), ("eth1",), ()))
    shared = {"a": "10.0.0.1", "b": "10.0.0.1"}
    assert form(shared, {"a": one, "b": two}).groups[0].interfaces == ("eth0", "eth1")
    assert form(shared, {"a": one, "b": all_of_them}).groups[0].interfaces == ()


def test_an_unchanged_group_is_the_same_object() -> None:
    groups = Groups()
    parts = {key: announcement(ip_address(text)) for key, text in (("a", "10.0.0.1"), ("b", "10.0.0.2"))}
    before = form({"a": "10.0.0.1", "b": "10.0.0.2"}, parts, groups)
    parts["b"] = announcement(ip_address("10.0.0.2"), node_a=0)
    after = form({"a": "10.0.0.1", "b": "10.0.0.2"}, parts, groups)
    assert after.groups[0] is before.groups[0]
    assert after.groups[1].candidates == (Candidate("node-a"),)


def test_a_service_that_gains_an_address_changes_its_group() -> None:
    groups, part = Groups(), {"a": announcement(ip_address("10.0.0.1"))}
    form({"a": "10.0.0.1"}, part, groups)
    part = {"a": announcement(ip_address("10.0.0.1"))}
    assert len(form({"a": "10.0.0.1 2001:db8::1"}, part, groups).groups[0].addresses) == 2


addresses = st.integers(0, 11).map(lambda value: ip_address(f"10.0.0.{value}" if value < 6 else f"2001:db8::{value}"))
some_services = st.dictionaries(
    st.sampled_from("abcdefgh").map(name), st.lists(addresses, min_size=1, max_size=2, unique=True).map(tuple)
)


@given(some_services)
def test_groups_partition_the_addresses_and_no_service_is_in_two(
    services: dict[Name, tuple[IPAddress, ...]],
) -> None:
    grouping = Groups().form(services, {key: announcement(held[0]) for key, held in services.items()})
    grouped = [address for group in grouping.groups for address in group.addresses]
    assert sorted(grouped, key=sort_key) == sorted({one for held in services.values() for one in held}, key=sort_key)
    assert sorted(one for listed in grouping.services.values() for one in listed) == sorted(services)
    for group in grouping.groups:
        members = grouping.services[str(group.key)]
        assert all(set(services[one]) <= set(group.addresses) for one in members)
        assert group.key == min((services[one][0] for one in members), key=sort_key)


@given(some_services, st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_the_services(
    services: dict[Name, tuple[IPAddress, ...]], random: Random
) -> None:
    announcements = {key: announcement(held[0]) for key, held in services.items()}
    shuffled = list(services.items())
    random.shuffle(shuffled)
    assert Groups().form(dict(shuffled), announcements) == Groups().form(services, announcements)

"""Who may announce a Service: MetalLB's rules, and an order that is the same on every node."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from metalev.decide.candidates import ADVICE, Announcement, Topology, Why, in_order
from metalev.model.address import AddressRange
from metalev.model.cluster import EXCLUDE_LABEL, Node
from metalev.model.meta import LabelSelector, Name
from metalev.model.ownership import Candidate
from metalev.model.pools import L2Advertisement, Pool, Preference
from metalev.model.services import Endpoint, EndpointSlice, Service, ServiceStatus, TrafficPolicy

NODES = ("node-a", "node-b", "node-c")
POOL = Pool(Name("", "main"), ranges=(AddressRange.parse("10.0.0.0/24"),), labels={"zone": "dmz"})
EVERYTHING = L2Advertisement(Name("", "all"))


def node(name: str, labels: Mapping[str, str] | None = None, *, network_unavailable: bool = False) -> Node:
    return Node(Name("", name), labels={"name": name, **(labels or {})}, network_unavailable=network_unavailable)


def named(*names: str) -> tuple[LabelSelector, ...]:
    return tuple(LabelSelector({"name": name}) for name in names)


def advertisement(
    *,
    pools: tuple[str, ...] = (),
    pool_selectors: tuple[LabelSelector, ...] = (),
    nodes: tuple[str, ...] = (),
    services: tuple[LabelSelector, ...] = (),
    interfaces: tuple[str, ...] = (),
    preferences: tuple[Preference, ...] = (),
) -> L2Advertisement:
    return L2Advertisement(
        Name("", "adv"),
        pools=pools,
        pool_selectors=pool_selectors,
        node_selectors=named(*nodes),
        service_selectors=services,
        interfaces=interfaces,
        preferences=preferences,
    )


def service(
    address: str = "10.0.0.1",
    *,
    local: bool = False,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Service:
    return Service(
        Name("shop", "web"),
        type="LoadBalancer",
        traffic_policy=TrafficPolicy.LOCAL if local else TrafficPolicy.CLUSTER,
        labels=labels or {},
        annotations=annotations or {},
        status=ServiceStatus((ip_address(address),) if address else ()),
    )


def announce(
    subject: Service,
    *advertisements: L2Advertisement,
    nodes: tuple[Node, ...] = tuple(map(node, NODES)),
    endpoints: tuple[Endpoint, ...] = (Endpoint(("10.1.0.1",), "node-a"),),
    asker: str = "node-a",
    ignore_exclude_lb: bool = False,
) -> Announcement:
    slices = [EndpointSlice(Name("shop", "web-1"), subject.name, endpoints=endpoints)]
    topology = Topology(nodes, [POOL], advertisements, asker, ignore_exclude_lb=ignore_exclude_lb)
    return topology.announcement(subject, slices)


def names(announcement: Announcement) -> list[str]:
    return [one.node for one in announcement.candidates]


# The vectors come from MetalLB: a migration must move no address.
@pytest.mark.parametrize(
    ("address", "order"),
    [
        ("10.0.0.1", ["node-b", "node-a", "node-c"]),
        ("10.0.0.2", ["node-b", "node-c", "node-a"]),
        ("2001:db8::1", ["node-b", "node-a", "node-c"]),
    ],
)
def test_the_order_is_metallbs(address: str, order: list[str]) -> None:
    assert [one.node for one in in_order(map(Candidate, NODES), ip_address(address))] == order


@given(st.permutations(NODES), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_the_order_does_not_depend_on_the_order_of_the_input(shuffled: list[str], scores: list[int]) -> None:
    score = dict(zip(NODES, scores, strict=True))
    candidates = [Candidate(name, score[name]) for name in shuffled]
    address = ip_address("10.0.0.1")
    assert in_order(candidates, address) == in_order(sorted(candidates, key=lambda one: one.node), address)


@given(st.permutations(NODES), st.permutations([("x", "node-a"), ("y", "node-b"), ("z", "node-a")]))
def test_every_node_works_out_the_same_candidates(shuffled: list[str], advertised: list[tuple[str, str]]) -> None:
    advertisements = [L2Advertisement(Name("", name), node_selectors=named(to)) for name, to in advertised]
    announcements = [
        announce(service(), *advertisements, nodes=tuple(map(node, shuffled)), asker=asker) for asker in NODES
    ]
    assert [names(one) for one in announcements] == [["node-b", "node-a"]] * 3
    assert announcements[0].excluded == {"node-c": Why.NO_ADVERTISEMENT}


def test_every_node_is_a_candidate_when_nothing_says_otherwise() -> None:
    announcement = announce(service(), EVERYTHING)
    assert names(announcement) == ["node-b", "node-a", "node-c"]
    assert announcement.excluded == {}


def test_a_preferred_node_comes_first() -> None:
    preferring = advertisement(preferences=(Preference(10, named("node-c")[0]),))
    assert announce(service(), preferring).candidates[0] == Candidate("node-c", 10)


def test_preferences_of_all_matching_advertisements_add_up() -> None:
    first = advertisement(nodes=("node-a",), preferences=(Preference(10, named("node-c")[0]),))
    second = advertisement(preferences=(Preference(7, named("node-c")[0]), Preference(11, named("node-a")[0])))
    scored = announce(service(), first, second).candidates
    assert [(one.node, one.score) for one in scored] == [("node-c", 17), ("node-a", 11), ("node-b", 0)]


def test_preferences_of_one_advertisement_add_up_as_well() -> None:
    (c,) = named("node-c")
    preferring = advertisement(preferences=(Preference(10, c), Preference(7, c)))
    assert announce(service(), preferring).candidates[0] == Candidate("node-c", 17)


def test_without_an_advertisement_nobody_announces() -> None:
    assert announce(service()).excluded == dict.fromkeys(NODES, Why.NO_ADVERTISEMENT)


@pytest.mark.parametrize(("subject", "why"), [(service(""), Why.NO_ADDRESS), (service("10.9.9.9"), Why.NOT_ALLOWED)])
def test_an_address_that_is_no_pools_is_not_announced(subject: Service, why: Why) -> None:
    assert announce(subject, EVERYTHING) == Announcement(excluded=dict.fromkeys(NODES, why))


@pytest.mark.parametrize(
    ("matching", "expected"),
    [
        (advertisement(), True),
        (advertisement(pools=("other",)), False),
        (advertisement(pools=("other", "main")), True),
        (advertisement(pool_selectors=(LabelSelector({"zone": "dmz"}),)), True),
        (advertisement(pool_selectors=(LabelSelector({"zone": "lan"}),)), False),
        (advertisement(pools=("other",), pool_selectors=(LabelSelector({"zone": "dmz"}),)), True),
        (advertisement(services=(LabelSelector({"app": "web"}), LabelSelector({"app": "api"}))), True),
        (advertisement(services=(LabelSelector({"app": "api"}),)), False),
    ],
)
def test_an_advertisement_chooses_pools_and_services(matching: L2Advertisement, expected: bool) -> None:
    assert bool(announce(service(labels={"app": "web"}), matching).candidates) is expected


def test_a_node_is_eligible_if_any_advertisement_names_it() -> None:
    announcement = announce(service(), advertisement(nodes=("node-a",)), advertisement(nodes=("node-c",)))
    assert names(announcement) == ["node-a", "node-c"]
    assert announcement.excluded == {"node-b": Why.NO_ADVERTISEMENT}


def test_a_shared_address_is_not_announced_for_some_services_only() -> None:
    sharing = service(labels={"app": "web"}, annotations={"metallb.io/allow-shared-ip": "key"})
    chosen = advertisement(services=(LabelSelector({"app": "web"}),))
    assert announce(sharing, chosen).excluded == dict.fromkeys(NODES, Why.SHARED)
    assert announce(sharing, EVERYTHING).candidates


def test_a_node_whose_network_is_unavailable_is_no_candidate() -> None:
    nodes = (node("node-a"), node("node-b", network_unavailable=True))
    announcement = announce(service(), EVERYTHING, nodes=nodes)
    assert (names(announcement), announcement.excluded) == (["node-a"], {"node-b": Why.NETWORK_UNAVAILABLE})


def test_of_a_node_without_network_that_is_out_of_service_metallbs_reason_is_given() -> None:
    gone = replace(node("node-b", {EXCLUDE_LABEL: ""}, network_unavailable=True), out_of_service=True)
    assert announce(service(), EVERYTHING, nodes=(gone,)).excluded == {"node-b": Why.NETWORK_UNAVAILABLE}


def test_a_node_with_the_exclude_label_is_no_candidate_whatever_its_value() -> None:
    nodes = (node("node-a"), node("node-b", {EXCLUDE_LABEL: "false"}))
    announcement = announce(service(), EVERYTHING, nodes=nodes)
    assert (names(announcement), announcement.excluded) == (["node-a"], {"node-b": Why.EXCLUDED})


def test_the_exclude_label_can_be_ignored() -> None:
    nodes = (node("node-a", {EXCLUDE_LABEL: ""}), node("node-b", {EXCLUDE_LABEL: ""}, network_unavailable=True))
    announcement = announce(service(), EVERYTHING, nodes=nodes, ignore_exclude_lb=True)
    assert (names(announcement), announcement.excluded) == (["node-a"], {"node-b": Why.NETWORK_UNAVAILABLE})


def test_every_reason_that_leaves_something_to_do_says_what() -> None:
    assert set(Why) - ADVICE.keys() == {Why.NO_ADDRESS, Why.NOT_OWNER}


@pytest.mark.parametrize("local", [False, True])
def test_preferences_decide_among_those_who_may_and_let_nobody_else_in(local: bool) -> None:
    preferring = advertisement(nodes=("node-a", "node-c"), preferences=(Preference(50, named("node-b")[0]),))
    endpoints = (Endpoint(("10.1.0.1",), "node-c"),)
    assert names(announce(service(local=local), preferring, endpoints=endpoints)) == (
        ["node-c"] if local else ["node-a", "node-c"]
    )


def test_advertisements_that_say_the_same_count_once_but_for_their_preferences() -> None:
    plain, preferring = (
        advertisement(interfaces=("eth0",)),
        advertisement(preferences=(Preference(5, named("node-a")[0]),)),
    )
    assert announce(service(), plain, plain) == announce(service(), plain)
    assert announce(service(), preferring, preferring).candidates[0] == Candidate("node-a", 10)


def test_an_advertisement_for_other_services_gives_neither_nodes_interfaces_nor_preferences() -> None:
    others = (LabelSelector({"app": "api"}),)
    strange = advertisement(services=others, interfaces=("eth9",), preferences=(Preference(9, named("node-c")[0]),))
    mine = advertisement(nodes=("node-a",), interfaces=("eth0",))
    announcement = announce(service(labels={"app": "web"}), mine, strange)
    assert (announcement.candidates, announcement.interfaces) == ((Candidate("node-a"),), ("eth0",))


@pytest.mark.parametrize(
    "endpoints",
    [
        (),
        (Endpoint(("10.1.0.1",), "node-a", ready=False),),
        (Endpoint(("10.1.0.1",), "node-a", ready=False, serving=False),),
    ],
)
@pytest.mark.parametrize("local", [False, True])
def test_without_a_serving_endpoint_nobody_announces(endpoints: tuple[Endpoint, ...], local: bool) -> None:
    announcement = announce(service(local=local), EVERYTHING, endpoints=endpoints)
    assert announcement.excluded == dict.fromkeys(NODES, Why.NO_ENDPOINTS)


def test_with_policy_cluster_one_endpoint_anywhere_is_enough() -> None:
    assert len(announce(service(), EVERYTHING, endpoints=(Endpoint(("10.1.0.1",)),)).candidates) == 3


def test_with_policy_local_only_nodes_with_an_endpoint_announce() -> None:
    endpoints = (
        Endpoint(("10.1.0.1",), "node-c"),
        Endpoint(("10.1.0.2",), "node-b", ready=False, serving=True),
        Endpoint(("10.1.0.3",), "node-a", ready=False),
    )
    announcement = announce(service(local=True), EVERYTHING, endpoints=endpoints)
    assert names(announcement) == ["node-b", "node-c"]
    assert announcement.excluded == {"node-a": Why.NO_LOCAL_ENDPOINTS}


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([()], ()),
        ([("eth1", "eth0")], ("eth0", "eth1")),
        ([("eth0",), ("eth1",)], ("eth0", "eth1")),
        ([("eth0",), ()], ()),
    ],
)
def test_interfaces_are_united_and_none_named_means_all(
    lists: list[tuple[str, ...]], expected: tuple[str, ...]
) -> None:
    advertisements = [advertisement(interfaces=interfaces) for interfaces in lists]
    assert announce(service(), *advertisements).interfaces == expected


def test_interfaces_are_those_of_the_node_that_asks() -> None:
    both = advertisement(nodes=("node-a",), interfaces=("eth0",)), advertisement(nodes=("node-b",))
    assert announce(service(), *both, asker="node-a").interfaces == ("eth0",)
    assert announce(service(), *both, asker="node-b").interfaces == ()

"""Which address a Service gets, in MetalLB's order and words."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from metalev.decide.allocation import CONDITION, Allocation, Outcome, decide_addresses
from metalev.decide.ledger import Ledger
from metalev.model.address import AddressRange, Family
from metalev.model.cluster import Namespace
from metalev.model.meta import Expression, LabelSelector, Name, Operator
from metalev.model.pools import Pool, ServiceAllocation
from metalev.model.services import ConditionStatus, Service, ServiceStatus

IPS = "metallb.io/loadBalancerIPs"
POOL = "metallb.io/address-pool"
OTHER = Name("shop", "other")


def pool(
    name: str, *ranges: str, auto: bool = True, buggy: bool = False, rules: ServiceAllocation | None = None
) -> Pool:
    parsed = tuple(AddressRange.parse(text) for text in ranges)
    return Pool(Name("metallb-system", name), ranges=parsed, auto_assign=auto, avoid_buggy_ips=buggy, allocation=rules)


def service(
    *held: str,
    wish: str = "",
    families: tuple[Family, ...] = (4,),
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    kind: str = "LoadBalancer",
    lb_class: str | None = None,
) -> Service:
    return Service(
        Name("shop", "web"),
        type=kind,
        families=families,
        load_balancer_ip=wish,
        load_balancer_class=lb_class,
        annotations=annotations or {},
        labels=labels or {},
        status=ServiceStatus(tuple(ip_address(text) for text in held)),
    )


def ledger(*pools: Pool, taken: str = "", by: Name = OTHER) -> Ledger:
    books = Ledger()
    books.set_pools(pools or (pool("main", "10.0.0.0/30", "2001:db8::/126"),))
    books.hold(by, tuple(ip_address(text) for text in taken.split()))
    return books


def decide(subject: Service, books: Ledger | None = None, **labels: str) -> Allocation:
    namespaces = {Name("", "shop"): Namespace(Name("", "shop"), labels=labels)}
    return decide_addresses(subject, books or ledger(), namespaces)


def given(allocation: Allocation) -> list[str]:
    return [str(address) for address in allocation.addresses]


def told(allocation: Allocation) -> list[str]:
    return [f"{event.type} {event.reason} {event.message}" for event in allocation.events]


def complaint(allocation: Allocation) -> str:
    """The message of a Service left without an address, with MetalLB's beginning of it taken off."""
    assert allocation.outcome is Outcome.PENDING
    assert allocation.addresses == ()
    assert allocation.condition is not None
    return allocation.condition.message.removeprefix('Failed to allocate IP for "shop/web": ')


# --- no address ------------------------------------------------------------------------------------------------------


def test_a_service_of_another_type_is_cleared_without_a_word() -> None:
    assert decide(service("10.0.0.1", kind="ClusterIP")) == Allocation(Outcome.CLEARED)


@pytest.mark.parametrize(("asked", "served"), [("kube-vip", None), (None, "metalev"), ("kube-vip", "metalev")])
def test_a_service_of_another_class_is_not_ours(asked: str | None, served: str | None) -> None:
    outcome = decide_addresses(service(lb_class=asked), ledger(), {}, lb_class=served).outcome
    assert outcome is Outcome.NOT_OURS


def test_a_service_of_our_class_is_served() -> None:
    assert given(decide_addresses(service(lb_class="metalev"), ledger(), {}, lb_class="metalev")) == ["10.0.0.0"]


def test_without_pools_the_service_is_told_so() -> None:
    allocation = decide(service("10.0.0.1"), Ledger())
    assert complaint(allocation) == "no IPAddressPool is defined, so there is no address to give: create one"
    assert allocation.events[0].reason == "NoPools"


def test_a_headless_service_gets_no_address() -> None:
    assert complaint(decide(service(families=()))) == ("the Service has no ClusterIP, so an address would lead nowhere")


def test_an_exhausted_pool_is_named_as_the_reason() -> None:
    allocation = decide(service(), ledger(pool("a", "10.0.0.0/32"), taken="10.0.0.0"))
    assert allocation.outcome is Outcome.PENDING
    assert told(allocation) == ['Warning AllocationFailed Failed to allocate IP for "shop/web": no available IPs']
    assert allocation.condition is not None
    assert (allocation.condition.type, allocation.condition.status) == (CONDITION, ConditionStatus.FALSE)
    assert (allocation.condition.reason, allocation.condition.message) == (
        allocation.events[0].reason,
        allocation.events[0].message,
    )


# --- a new address ---------------------------------------------------------------------------------------------------


def test_the_first_free_address_is_assigned() -> None:
    allocation = decide(service(), ledger(taken="10.0.0.0"))
    assert (allocation.outcome, given(allocation), allocation.pool) == (Outcome.ASSIGNED, ["10.0.0.1"], "main")
    assert told(allocation) == ['Normal IPAllocated Assigned IP ["10.0.0.1"]']
    assert allocation.condition is not None
    assert allocation.condition.status is ConditionStatus.TRUE
    assert allocation.condition.message == 'Assigned IP ["10.0.0.1"]'


def test_deciding_changes_nothing() -> None:
    books = ledger()
    assert decide(service(), books) == decide(service(), books)


def test_an_ipv6_service_gets_an_ipv6_address() -> None:
    assert given(decide(service(families=(6,)))) == ["2001:db8::"]


def test_a_dual_stack_service_gets_both_from_one_pool_primary_first() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30", "2001:db8::/126"))
    allocation = decide(service(families=(6, 4)), books)
    assert (given(allocation), allocation.pool) == (["2001:db8::", "10.0.1.0"], "b")
    assert told(allocation) == ['Normal IPAllocated Assigned IP ["2001:db8::" "10.0.1.0"]']


def test_a_dual_stack_service_takes_the_primary_family_if_no_pool_has_both() -> None:
    books = ledger(pool("a", "2001:db8::/126"), pool("b", "10.0.1.0/30"))
    assert given(decide(service(families=(4, 6)), books)) == ["10.0.1.0"]


def test_general_pools_are_tried_by_name() -> None:
    books = ledger(pool("b", "10.0.0.0/30"), pool("a", "10.0.1.0/30"))
    assert decide(service(), books).pool == "a"


def test_a_full_pool_is_followed_by_the_next() -> None:
    books = ledger(pool("a", "10.0.0.0/32"), pool("b", "10.0.1.0/30"), taken="10.0.0.0")
    assert decide(service(), books).pool == "b"


def test_a_pool_without_auto_assign_is_left_alone() -> None:
    assert complaint(decide(service(), ledger(pool("a", "10.0.0.0/30", auto=False)))) == "no available IPs"


def test_buggy_addresses_are_not_assigned() -> None:
    assert given(decide(service(), ledger(pool("a", "10.0.0.0/30", buggy=True)))) == ["10.0.0.1"]


# --- pinned pools ----------------------------------------------------------------------------------------------------

FOR_SHOP = ServiceAllocation(namespaces=("shop",))
FOR_BANK = ServiceAllocation(namespaces=("bank",))


def test_a_pinned_pool_comes_before_the_general_ones() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("z", "10.0.1.0/30", rules=FOR_SHOP))
    assert decide(service(), books).pool == "z"


def test_a_full_pinned_pool_is_followed_by_the_general_ones() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("z", "10.0.1.0/32", rules=FOR_SHOP), taken="10.0.1.0")
    assert decide(service(), books).pool == "a"


def test_a_pool_for_others_is_left_alone() -> None:
    assert complaint(decide(service(), ledger(pool("a", "10.0.0.0/30", rules=FOR_BANK)))) == "no available IPs"


def test_a_lower_priority_is_tried_first_and_none_last() -> None:
    books = ledger(
        pool("a", "10.0.0.0/32", rules=ServiceAllocation(priority=0)),
        pool("b", "10.0.1.0/32", rules=ServiceAllocation(priority=20)),
        pool("c", "10.0.2.0/32", rules=ServiceAllocation(priority=10)),
    )
    order = []
    for number in range(3):
        allocation = decide(service(), books)
        books.hold(Name("shop", str(number)), allocation.addresses)
        order.append(allocation.pool)
    assert order == ["c", "b", "a"]


@pytest.mark.parametrize(("team", "expected"), [("red", Outcome.ASSIGNED), ("blue", Outcome.PENDING)])
def test_namespaces_are_chosen_by_their_labels(team: str, expected: Outcome) -> None:
    rules = ServiceAllocation(namespaces=("bank",), namespace_selectors=(LabelSelector({"team": "red"}),))
    assert decide(service(), ledger(pool("a", "10.0.0.0/30", rules=rules)), team=team).outcome is expected


def test_a_namespace_is_found_by_the_label_of_its_name() -> None:
    named = LabelSelector({"kubernetes.io/metadata.name": "shop"})
    books = ledger(pool("a", "10.0.0.0/30", rules=ServiceAllocation(namespace_selectors=(named,))))
    assert decide_addresses(service(), books, {}).outcome is Outcome.ASSIGNED


@pytest.mark.parametrize(("tier", "expected"), [("web", Outcome.ASSIGNED), ("db", Outcome.PENDING)])
def test_services_are_chosen_by_labels_and_namespace_together(tier: str, expected: Outcome) -> None:
    chosen = LabelSelector(match_expressions=(Expression("tier", Operator.IN, ("web", "api")),))
    rules = ServiceAllocation(namespaces=("shop",), service_selectors=(chosen,))
    books = ledger(pool("a", "10.0.0.0/30", rules=rules))
    assert decide(service(labels={"tier": tier}), books).outcome is expected


# --- wishes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wishing",
    [
        service(wish="10.0.0.2"),
        service(annotations={IPS: "10.0.0.2"}),
        service(annotations={"metallb.universe.tf/loadBalancerIPs": " 10.0.0.2 "}),
        service(annotations={IPS: "10.0.0.2", "metallb.universe.tf/loadBalancerIPs": "10.0.0.3"}),
    ],
)
def test_a_requested_address_is_given(wishing: Service) -> None:
    assert given(decide(wishing)) == ["10.0.0.2"]


def test_an_empty_annotation_in_the_newer_spelling_wins_too() -> None:
    older = {IPS: "", "metallb.universe.tf/loadBalancerIPs": "10.0.0.2"}
    assert given(decide(service(annotations=older))) == ["10.0.0.0"]


def test_a_mapped_address_is_an_ipv4_address() -> None:
    assert given(decide(service(wish="::ffff:10.0.0.2"))) == ["10.0.0.2"]


def test_a_pair_of_addresses_is_given_as_it_was_asked_for() -> None:
    wishing = service(annotations={IPS: "2001:db8::3,10.0.0.3"}, families=(4, 6))
    assert given(decide(wishing)) == ["2001:db8::3", "10.0.0.3"]


def test_a_deprecated_annotation_is_named() -> None:
    allocation = decide(service(annotations={"metallb.universe.tf/address-pool": "main"}))
    assert told(allocation) == [
        "Warning deprecatedAnnotation Service uses deprecated annotation metallb.universe.tf/address-pool",
        'Normal IPAllocated Assigned IP ["10.0.0.0"]',
    ]


BAD_WISHES = [
    (
        service(wish="10.0.0.1", annotations={IPS: "10.0.0.1"}),
        "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP",
    ),
    (
        service(annotations={IPS: "1.2.3.0,1.2.3.1"}),
        'IPFamilyForAddresses: same address family ["1.2.3.0" "1.2.3.1"]',
    ),
    (
        service(annotations={IPS: "1.2.3.0,1.2.3.1,::1"}),
        'IPFamilyForAddresses: invalid ips length 3 ["1.2.3.0" "1.2.3.1" "::1"]',
    ),
    (service(wish="please"), 'invalid spec.loadBalancerIP "please"'),
    (service(wish="fe80::1%eth0"), 'invalid spec.loadBalancerIP "fe80::1%eth0"'),
    (service(annotations={IPS: "please"}), 'invalid metallb.io/loadBalancerIPs: "please"'),
    (
        service(wish="1000::1"),
        'requested loadBalancer IP(s) ["1000::1"] does not match the ipFamily of the service',
    ),
    (service(wish="10.9.9.9"), '["10.9.9.9"] is not allowed in config'),
    (service(annotations={POOL: "nowhere"}), 'unknown pool "nowhere"'),
    (
        service(wish="10.0.0.1", annotations={POOL: "second"}),
        'requested loadBalancer IP(s) ["10.0.0.1"] is not compatible with requested address pool second',
    ),
    (
        service(wish="10.0.0.3"),
        'can\'t change sharing key for "shop/web", address also in use by shop/other',
    ),
    (service(annotations={POOL: "bank"}), "pool bank not compatible for ip assignment"),
    (service(wish="10.0.2.1"), "pool bank not compatible for ip assignment"),
    (service(annotations={POOL: "tiny"}), "no available IPs in pool tiny"),
]


@pytest.mark.parametrize(("wishing", "expected"), BAD_WISHES, ids=[text[:40] for _, text in BAD_WISHES])
def test_a_wish_that_cannot_be_met_is_refused_in_metallbs_words(wishing: Service, expected: str) -> None:
    books = ledger(
        pool("main", "10.0.0.0/30"),
        pool("second", "10.0.1.0/30"),
        pool("bank", "10.0.2.0/30", rules=FOR_BANK),
        pool("tiny", "10.0.3.0/32"),
        taken="10.0.0.3 10.0.3.0",
    )
    allocation = decide(wishing, books)
    assert complaint(allocation) == expected
    assert told(allocation) == [f'Warning AllocationFailed Failed to allocate IP for "shop/web": {expected}']


def test_a_buggy_address_cannot_be_had_by_asking() -> None:
    books = ledger(pool("a", "10.0.0.0/30", buggy=True))
    assert complaint(decide(service(wish="10.0.0.0"), books)) == '["10.0.0.0"] is not allowed in config'


def test_addresses_of_two_pools_are_not_one_wish() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("b", "2001:db8::/126"))
    wishing = service(annotations={IPS: "10.0.0.1,2001:db8::1"}, families=(4, 6))
    assert complaint(decide(wishing, books)) == '["10.0.0.1" "2001:db8::1"] is not allowed in config'


def test_a_named_pool_is_used_although_it_does_not_assign_by_itself() -> None:
    books = ledger(pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30", auto=False))
    assert decide(service(annotations={POOL: "b"}), books).pool == "b"


# --- an address held already -----------------------------------------------------------------------------------------


def held_by_us(*pools: Pool, taken: str = "10.0.0.2") -> Ledger:
    return ledger(*pools, taken=taken, by=Name("shop", "web"))


def test_an_allowed_address_is_kept() -> None:
    allocation = decide(service("10.0.0.2"), held_by_us())
    assert (allocation.outcome, given(allocation), allocation.pool) == (Outcome.KEPT, ["10.0.0.2"], "main")
    assert told(allocation) == []
    assert allocation.condition is not None
    assert allocation.condition.message == 'Assigned IP ["10.0.0.2"]'


def test_a_kept_address_reads_as_when_it_was_assigned() -> None:
    assigned = decide(service())
    books = ledger()
    books.hold(Name("shop", "web"), assigned.addresses)
    assert decide(service(*given(assigned)), books).condition == assigned.condition


def test_a_held_address_is_kept_in_a_pool_that_does_not_assign_by_itself() -> None:
    books = held_by_us(pool("a", "10.0.0.0/30", auto=False))
    assert decide(service("10.0.0.2"), books).outcome is Outcome.KEPT


def test_an_address_that_left_the_pool_is_replaced_and_both_are_said() -> None:
    allocation = decide(service("10.9.9.9"), held_by_us(taken="10.9.9.9"))
    assert (allocation.outcome, given(allocation)) == (Outcome.ASSIGNED, ["10.0.0.0"])
    assert told(allocation) == [
        (
            'Normal ClearAssignment current IP for "shop/web" not allowed by config, '
            'will attempt for new IP assignment: ["10.9.9.9"] is not allowed in config'
        ),
        'Normal IPAllocated Assigned IP ["10.0.0.0"]',
    ]


def test_of_two_holders_the_first_keeps_the_address() -> None:
    books = ledger(taken="10.0.0.2")
    books.hold(Name("shop", "web"), (ip_address("10.0.0.2"),))
    late = decide(service("10.0.0.2"), books)
    assert given(late) == ["10.0.0.0"]
    assert "address also in use by shop/other" in told(late)[0]
    first = decide_addresses(Service(OTHER, type="LoadBalancer", status=service("10.0.0.2").status), books, {})
    assert first.outcome is Outcome.KEPT


def test_an_address_of_the_wrong_family_is_replaced() -> None:
    assert given(decide(service("2001:db8::1"), held_by_us(taken="2001:db8::1"))) == ["10.0.0.0"]


def test_two_addresses_of_one_family_are_replaced() -> None:
    books = held_by_us(taken="10.0.0.1 10.0.0.2")
    assert given(decide(service("10.0.0.1", "10.0.0.2"), books)) == ["10.0.0.0"]


def test_a_dual_stack_service_keeps_the_one_address_that_it_has() -> None:
    assert given(decide(service("10.0.0.2", families=(4, 6)), held_by_us())) == ["10.0.0.2"]


def test_naming_another_pool_moves_the_service() -> None:
    books = held_by_us(pool("main", "10.0.0.0/30"), pool("b", "10.0.1.0/30"))
    assert given(decide(service("10.0.0.2", annotations={POOL: "b"}), books)) == ["10.0.1.0"]


def test_wishing_another_address_moves_the_service() -> None:
    assert given(decide(service("10.0.0.2", wish="10.0.0.3"), held_by_us())) == ["10.0.0.3"]


def test_wishing_what_is_held_changes_nothing_whatever_the_order() -> None:
    books = held_by_us(taken="10.0.0.2 2001:db8::2")
    wishing = service("10.0.0.2", "2001:db8::2", annotations={IPS: "2001:db8::2,10.0.0.2"}, families=(4, 6))
    allocation = decide(wishing, books)
    assert (allocation.outcome, given(allocation)) == (Outcome.KEPT, ["10.0.0.2", "2001:db8::2"])


def test_a_wish_that_nobody_can_read_takes_nothing_away() -> None:
    allocation = decide(service("10.0.0.2", wish="please"), held_by_us())
    assert (allocation.outcome, given(allocation)) == (Outcome.KEPT, ["10.0.0.2"])
    assert told(allocation) == [
        'Warning LoadBalancerFailed invalid requested loadbalancer IPs: invalid spec.loadBalancerIP "please"'
    ]


def test_a_wish_for_an_address_of_somebody_else_costs_the_held_one() -> None:
    books = held_by_us()
    books.hold(OTHER, (ip_address("10.0.0.3"),))
    assert "also in use by shop/other" in complaint(decide(service("10.0.0.2", wish="10.0.0.3"), books))


def test_new_labels_of_the_namespace_take_nothing_away() -> None:
    rules = ServiceAllocation(namespace_selectors=(LabelSelector({"team": "red"}),))
    books = held_by_us(pool("a", "10.0.0.0/30", rules=rules))
    assert decide(service("10.0.0.2"), books, team="blue").outcome is Outcome.KEPT


def test_a_pool_that_is_given_to_others_takes_its_address_away() -> None:
    allocation = decide(service("10.0.0.2"), held_by_us(pool("a", "10.0.0.0/30", rules=FOR_BANK)))
    assert complaint(allocation) == "no available IPs"
    assert "pool a not compatible for ip assignment" in told(allocation)[0]

"""A Service may ask for addresses and for a pool."""

from __future__ import annotations

import pytest
from tests.unit.decide.allocations import IPS, POOL, complaint, decide, given, ledger, pool, service, told

from metalev.model.pools import ServiceAllocation
from metalev.model.services import Service


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
        pool("bank", "10.0.2.0/30", rules=ServiceAllocation(namespaces=("bank",))),
        pool("tiny", "10.0.3.0/32"),
        taken="10.0.0.3 10.0.3.0",
    )
    allocation = decide(wishing, books)
    assert complaint(allocation) == expected
    (said,) = told(allocation)
    assert said.startswith(f'Warning AllocationFailed Failed to allocate IP for "shop/web": {expected}')


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

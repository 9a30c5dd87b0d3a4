"""What a Service may ask for, and what becomes of it: status, annotation, and the events in MetalLB's words."""

from __future__ import annotations

import pytest
from tests.e2e.cluster import wait_for
from tests.e2e.room import HOME, Room

IPS, POOL = "metallb.io/loadBalancerIPs", "metallb.io/address-pool"
OLD_IPS, OLD_POOL = "metallb.universe.tf/loadBalancerIPs", "metallb.universe.tf/address-pool"


def test_an_address_is_given_with_the_event_and_the_pools_name(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    assert room.address("web") == address
    event = room.told("web", "IPAllocated")
    assert event == ("Normal", "IPAllocated", f'Assigned IP ["{address}"]', "metallb-controller", 1)
    assert room.pool_name("web") == "first-pool"


def test_the_first_free_address_of_the_pool_is_given(room: Room) -> None:
    addresses = room.pool_of(0, ipv6=3)
    for name, address in zip(("web", "api", "mail"), addresses, strict=True):
        room.service(name, ipFamilies=["IPv6"])
        assert room.address(name) == address


@pytest.mark.parametrize("annotation", [IPS, OLD_IPS])
def test_an_address_that_is_asked_for_by_annotation_is_given(room: Room, annotation: str) -> None:
    _, wanted = room.pool_of(2)
    room.service("web", annotations={annotation: wanted})
    assert room.address("web") == wanted


def test_an_address_that_is_asked_for_by_the_spec_is_given(room: Room) -> None:
    _, wanted = room.pool_of(2)
    room.service("web", loadBalancerIP=wanted)
    assert room.address("web") == wanted


@pytest.mark.parametrize("annotation", [POOL, OLD_POOL])
def test_the_pool_that_is_asked_for_gives_though_it_does_not_assign_by_itself(room: Room, annotation: str) -> None:
    room.pool_of()
    (wanted,) = room.pool_of(name="kept", autoAssign=False)
    room.service("web", annotations={annotation: "kept"})
    assert (room.address("web"), room.pool_name("web")) == (wanted, "kept")


def test_the_newer_spelling_wins(room: Room) -> None:
    first, second = room.pool_of(2)
    room.service("web", annotations={IPS: second, OLD_IPS: first})
    assert room.address("web") == second


@pytest.mark.parametrize("old", [OLD_IPS, OLD_POOL, "metallb.universe.tf/allow-shared-ip"])
def test_an_older_spelling_is_named_as_deprecated(room: Room, old: str) -> None:
    (address,) = room.pool_of()
    room.service("web", annotations={old: {OLD_IPS: address, OLD_POOL: "first-pool"}.get(old, "key")})
    event = room.told("web", "deprecatedAnnotation")
    assert (event.type, event.message) == ("Warning", f"Service uses deprecated annotation {old}")


def test_an_annotation_without_a_meaning_is_named_with_the_nearest(room: Room) -> None:
    room.pool_of()
    room.service("web", annotations={"metallb.io/adress-pool": "first-pool"})
    told = room.told("web", "UnknownAnnotation")
    assert (told.type, 'did you mean "metallb.io/address-pool"?' in told.message, told.times) == ("Warning", True, 1)
    conditions = {one["type"]: one["message"] for one in room.seen("web")["status"]["conditions"]}
    assert conditions["metalev.io/AnnotationsRead"] == told.message


def test_asking_for_another_free_address_moves_the_service(room: Room) -> None:
    room.pool_of(1)
    room.service("web")
    room.address("web")
    (wanted,) = room.pool_of(name="second")
    room.annotate("web", f"{IPS}={wanted}")
    room.wait_for_address("web", wanted)


def test_asking_for_another_pool_moves_the_service(room: Room) -> None:
    room.pool_of(1)
    room.service("web")
    room.address("web")
    (wanted,) = room.pool_of(name="second")
    room.annotate("web", f"{POOL}=second")
    room.wait_for_address("web", wanted)
    wait_for("the annotation follows", lambda: room.pool_name("web") == "second")


def test_a_wish_that_is_taken_back_changes_nothing(room: Room) -> None:
    _, wanted = room.pool_of(2)
    room.service("web", annotations={IPS: wanted})
    room.address("web")
    room.annotate("web", f"{IPS}-")
    room.service("later")
    room.address("later")
    assert room.held("web") == [wanted]


# ===== what cannot be had =====


def test_an_unknown_pool_is_named(room: Room) -> None:
    room.pool_of()
    room.service("web", annotations={POOL: "nowhere"})
    assert room.refused("web") == 'unknown pool "nowhere"'


def test_an_address_outside_every_pool_is_refused(room: Room) -> None:
    room.pool_of()
    (outside,) = room.take()
    room.service("web", annotations={IPS: outside})
    assert room.refused("web") == f'["{outside}"] is not allowed in config'


def test_an_address_of_another_pool_than_the_named_one_is_refused(room: Room) -> None:
    room.pool_of()
    (other,) = room.pool_of(name="second")
    room.service("web", annotations={IPS: other, POOL: "first-pool"})
    assert room.refused("web").endswith(
        f'requested loadBalancer IP(s) ["{other}"] is not compatible with requested address pool first-pool'
    )


def test_asking_both_ways_at_once_is_refused(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web", annotations={IPS: address}, loadBalancerIP=address)
    assert room.refused("web") == "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP"


def test_two_addresses_of_one_family_are_refused(room: Room) -> None:
    one, two = room.pool_of(2)
    room.service("web", annotations={IPS: f"{one},{two}"})
    assert room.refused("web") == f'IPFamilyForAddresses: same address family ["{one}" "{two}"]'


def test_two_addresses_of_one_family_cost_nobody_the_one_that_it_has(room: Room) -> None:
    one, two = room.pool_of(2)
    room.service("web")
    assert room.address("web") == one
    room.annotate("web", f"{IPS}={one},{two}")
    told = room.told("web", "LoadBalancerFailed")
    why = f'invalid requested loadbalancer IPs: IPFamilyForAddresses: same address family ["{one}" "{two}"]'
    assert (told.type, told.message, told.times) == ("Warning", why, 1)
    assert room.held("web") == [one]
    room.annotate("web", f"{IPS}={two}")
    room.wait_for_address("web", two)


def test_two_addresses_of_one_family_in_a_status_are_named_and_one_is_given(room: Room) -> None:
    """Whoever wrote them there, be it MetalLB or a person."""
    one, two = room.pool_of(2)
    room.service("web")
    assert room.address("web") == one
    room.show("web", one, two)
    told = room.told("web", "nolbIPsIPFamily")
    why = f'Failed to retrieve LBIPs IPFamily for ["{one}" "{two}"]: '
    why += f'IPFamilyForAddresses: same address family ["{one}" "{two}"]'
    assert (told.type, told.message, told.times) == ("Warning", why, 1)
    assert len(room.addresses("web", 1)) == 1
    room.service("other")
    assert {room.address("web"), room.address("other")} == {one, two}


def test_what_is_no_address_is_refused(room: Room) -> None:
    room.pool_of()
    room.service("web", loadBalancerIP="please")
    assert room.refused("web") == 'invalid spec.loadBalancerIP "please"'


def test_an_address_of_another_family_is_refused(room: Room) -> None:
    _, six = room.pool_of(1, ipv6=1)
    room.service("web", annotations={IPS: six})
    assert room.refused("web") == f'requested loadBalancer IP(s) ["{six}"] does not match the ipFamily of the service'


def test_an_address_that_somebody_has_is_refused_with_the_holders_name(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("holder")
    room.address("holder")
    room.service("web", annotations={IPS: address})
    reason = room.refused("web")
    assert reason == f'can\'t change sharing key for "{HOME}/web", address also in use by {HOME}/holder'


def test_an_unreadable_wish_of_a_holder_is_a_load_balancer_failed_and_takes_nothing_away(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    room.address("web")
    room.change("web", '{"spec": {"loadBalancerIP": "please"}}')
    event = room.told("web", "LoadBalancerFailed")
    assert (event.type, event.message) == (
        "Warning",
        'invalid requested loadbalancer IPs: invalid spec.loadBalancerIP "please"',
    )
    assert room.held("web") == [address]


def test_a_wish_that_cannot_be_had_takes_nothing_from_a_holder(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    room.address("web")
    room.annotate("web", f"{POOL}=nowhere")
    assert (
        room.told("web", "AllocationFailed").message
        == f'Failed to allocate IP for "{HOME}/web": unknown pool "nowhere"'
    )
    assert room.held("web") == [address]


def test_without_any_pool_the_service_is_told_so(room: Room) -> None:
    room.service("web")
    assert room.told("web", "NoPools").type == "Warning"
    (address,) = room.pool_of()
    room.wait_for_address("web", address)


# ===== what else is on the Service =====


def test_only_the_address_is_in_the_status_of_the_load_balancer(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    room.address("web")
    assert room.seen("web")["status"]["loadBalancer"] == {"ingress": [{"ip": address, "ipMode": "VIP"}]}


def test_a_condition_says_the_same_as_the_event_until_there_is_an_address(room: Room) -> None:
    room.pool_of()
    room.service("web", annotations={"metallb.io/address-pool": "unknown"})
    event = room.told("web", "AllocationFailed")
    conditions = {one["type"]: one for one in room.seen("web")["status"]["conditions"]}
    assert conditions["metalev.io/AddressAssigned"]["message"] == event.message
    room.annotate("web", "metallb.io/address-pool-")
    room.address("web")
    left = {one["type"] for one in room.seen("web")["status"].get("conditions", [])}
    assert "metalev.io/AddressAssigned" not in left


def test_looking_again_at_a_service_that_is_well_tells_nothing_new(room: Room) -> None:
    room.pool_of(2)
    room.service("web")
    room.address("web")
    room.told("web", "IPAllocated")
    room.told("web", "NotAnnounced")
    room.annotate("web", "note=changed")
    room.service("later")
    room.told("later", "IPAllocated")
    assert {(one.reason, one.times) for one in room.events("web")} == {("IPAllocated", 1), ("NotAnnounced", 1)}

"""Services of IPv6, and of both families."""

from __future__ import annotations

import pytest
from tests.e2e.cluster import wait_for
from tests.e2e.room import Room

REQUIRE, PREFER = "RequireDualStack", "PreferDualStack"


@pytest.mark.parametrize("policy", [REQUIRE, PREFER])
def test_both_families_are_given_from_one_pool_and_both_answer(room: Room, policy: str) -> None:
    addresses = room.pool_of(1, ipv6=1)
    room.advertise()
    room.service("web", ipFamilyPolicy=policy, ipFamilies=["IPv4", "IPv6"])
    assert room.addresses("web") == addresses
    four, six = (f'"{one}"' for one in addresses)
    assert room.told("web", "IPAllocated").message == f"Assigned IP [{four} {six}]"
    for address in addresses:
        assert room.page(address, "/hostname").startswith("web-")


def test_the_first_of_the_families_comes_first(room: Room) -> None:
    four, six = room.pool_of(1, ipv6=1)
    room.service("web", ipFamilyPolicy=REQUIRE, ipFamilies=["IPv6", "IPv4"])
    assert room.addresses("web") == [six, four]


def test_both_addresses_are_announced_by_one_node(room: Room) -> None:
    four, six = room.pool_of(1, ipv6=1)
    room.advertise()
    room.service("web", ipFamilyPolicy=REQUIRE)
    room.addresses("web")
    assert room.announcer(four) == room.announcer(six)


def test_a_service_of_ipv6_is_reached(room: Room) -> None:
    (address,) = room.pool_of(0, ipv6=1)
    room.advertise()
    room.service("web", ipFamilies=["IPv6"])
    assert room.page(room.address("web"), "/hostname").startswith("web-")
    assert room.held("web") == [address]


def test_two_addresses_are_asked_for_in_any_order(room: Room) -> None:
    _, four, _, six = room.pool_of(2, ipv6=2)
    room.service("web", annotations={"metallb.io/loadBalancerIPs": f"{six},{four}"}, ipFamilyPolicy=REQUIRE)
    assert set(room.addresses("web")) == {four, six}


def test_who_requires_both_gets_none_where_no_pool_has_both(room: Room) -> None:
    room.pool_of(1, name="fours")
    room.pool_of(0, ipv6=1, name="sixes")
    room.service("web", ipFamilyPolicy=REQUIRE)
    assert room.refused("web").startswith("no available IPs")


def test_who_prefers_both_gets_the_primary_family_and_is_told_of_the_lack(room: Room) -> None:
    (address,) = room.pool_of(1)
    room.service("web", ipFamilyPolicy=PREFER, ipFamilies=["IPv4", "IPv6"])
    assert room.address("web") == address
    told = room.told("web", "AdditionalAssignFailed")
    wanted = "cannot assign additional IP in PreferDualStack: no available IPs in pool first-pool"
    assert (told.type, told.message) == ("Normal", wanted)


def test_who_prefers_both_gets_the_second_when_its_pool_has_it(room: Room) -> None:
    (four,) = room.pool_of(1)
    room.service("web", ipFamilyPolicy=PREFER, ipFamilies=["IPv4", "IPv6"])
    assert room.address("web") == four
    (six,) = room.take(0, ipv6=1)
    room.pool("first-pool", four, six)
    assert room.addresses("web") == [four, six]
    message = f'Assigned additional IP "{six}"'
    wait_for("it is told", lambda: message in [one.message for one in room.events("web")])


def test_who_prefers_both_does_not_jump_to_a_pool_that_has_them(room: Room) -> None:
    (four,) = room.pool_of(1)
    room.service("web", ipFamilyPolicy=PREFER, ipFamilies=["IPv4", "IPv6"])
    assert room.address("web") == four
    room.pool_of(1, ipv6=1, name="second")
    room.service("late", ipFamilyPolicy=PREFER)
    room.addresses("late")
    assert room.held("web") == [four]


def test_a_pool_with_both_is_preferred(room: Room) -> None:
    room.pool_of(1, name="a-first")
    both = room.pool_of(1, ipv6=1, name="b-second")
    room.service("web", ipFamilyPolicy=PREFER, ipFamilies=["IPv4", "IPv6"])
    assert room.addresses("web") == both


def test_who_comes_to_require_both_is_completed(room: Room) -> None:
    four, six = room.pool_of(1, ipv6=1)
    room.service("web")
    assert room.address("web") == four
    room.change("web", f'{{"spec": {{"ipFamilyPolicy": "{REQUIRE}", "ipFamilies": ["IPv4", "IPv6"]}}}}')
    assert room.addresses("web") == [four, six]


def test_who_comes_to_require_both_keeps_its_address_until_its_pool_has_both(room: Room) -> None:
    (four,) = room.pool_of(1)
    room.service("web", ipFamilyPolicy=PREFER, ipFamilies=["IPv4", "IPv6"])
    assert room.address("web") == four
    room.change("web", f'{{"spec": {{"ipFamilyPolicy": "{REQUIRE}"}}}}')
    told = room.told("web", "AllocationFailed")
    assert 'no available IPs (pool "first-pool" has no IPv6 addresses' in told.message
    assert room.held("web") == [four]
    (six,) = room.take(0, ipv6=1)
    room.pool("first-pool", four, six)
    assert room.addresses("web") == [four, six]


def test_who_becomes_single_stack_keeps_the_address_that_fits(room: Room) -> None:
    four, _ = room.pool_of(1, ipv6=1)
    room.service("web", ipFamilyPolicy=REQUIRE, ipFamilies=["IPv4", "IPv6"])
    room.addresses("web")
    room.change("web", '{"spec": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": null}}')
    room.wait_for_address("web", four)


def test_a_pool_that_loses_a_family_leaves_the_other(room: Room) -> None:
    four, _ = room.pool_of(1, ipv6=1)
    room.service("web", ipFamilyPolicy=PREFER, ipFamilies=["IPv4", "IPv6"])
    room.addresses("web")
    room.pool("first-pool", four)
    room.wait_for_address("web", four)

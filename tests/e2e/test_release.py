"""Addresses that become free or are taken away, and who gets them."""

from __future__ import annotations

import pytest
from tests.e2e.cluster import SYSTEM, wait_for
from tests.e2e.room import HOME, Room

TO_CLUSTER_IP = '{"spec": {"type": "ClusterIP", "externalTrafficPolicy": null, "allocateLoadBalancerNodePorts": null}}'


def test_an_exhausted_pool_is_told_and_a_larger_one_serves_who_waits(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    room.address("web")
    room.service("late")
    assert room.refused("late").startswith("no available IPs")
    more, *_ = room.take()
    room.pool("first-pool", address, more)
    room.wait_for_address("late", more)
    assert room.held("web") == [address]


def test_an_exhausted_pool_that_was_asked_for_is_named(room: Room) -> None:
    room.pool_of()
    room.service("web")
    room.address("web")
    room.service("late", annotations={"metallb.io/address-pool": "first-pool"})
    assert room.refused("late").startswith("no available IPs in pool first-pool")


def test_another_pool_serves_who_waits(room: Room) -> None:
    room.pool_of()
    room.service("web")
    room.address("web")
    room.service("late")
    room.refused("late")
    (more,) = room.pool_of(name="second")
    room.wait_for_address("late", more)


def test_who_waits_gets_the_address_of_a_service_that_is_deleted(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    room.address("web")
    room.service("late")
    room.refused("late")
    room.delete("web")
    room.wait_for_address("late", address)


def test_who_waits_gets_the_address_of_a_service_that_becomes_internal(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    room.address("web")
    room.service("late")
    room.refused("late")
    room.change("web", TO_CLUSTER_IP)
    room.wait_for_address("late", address)


def test_a_service_that_becomes_internal_loses_its_address_and_falls_silent(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise()
    room.service("web")
    room.announcer(address)
    room.change("web", TO_CLUSTER_IP)
    room.wait_for_none("web")
    room.wait_for_silence(address)
    wait_for("its address is free", lambda: counts(room)[:2] == (0, 1))


def test_nothing_of_ours_stays_on_a_service_that_becomes_internal(room: Room) -> None:
    room.pool_of()
    room.service("web")
    room.address("web")
    room.change("web", TO_CLUSTER_IP)
    wait_for("its annotation is gone", lambda: not room.pool_name("web"))
    assert room.seen("web")["status"].get("conditions", []) == []


def test_a_service_that_comes_back_gets_its_own_address_again(room: Room) -> None:
    room.pool_of(4)
    room.service("web")
    address = room.address("web")
    room.delete("web")
    room.service("web")
    room.wait_for_address("web", address)


def test_an_address_that_left_its_pool_is_replaced_and_both_are_told(room: Room) -> None:
    (old,) = room.pool_of()
    room.service("web")
    room.address("web")
    (new,) = room.take()
    room.pool("first-pool", new)
    room.wait_for_address("web", new)
    reason = f'["{old}"] is not allowed in config'
    cleared = room.told("web", "ClearAssignment")
    assert cleared == (
        "Normal",
        "ClearAssignment",
        f'current IP for "{HOME}/web" not allowed by config, will attempt for new IP assignment: {reason}',
        "metallb-controller",
        1,
    )
    wait_for("the new one is told", lambda: f'Assigned IP ["{new}"]' in [one.message for one in room.events("web")])


def test_the_pool_that_is_deleted_hands_its_services_to_another(room: Room) -> None:
    room.pool_of()
    room.service("web")
    room.address("web")
    (new,) = room.pool_of(name="second")
    room.cluster.kubectl("delete", "ipaddresspool", "first-pool", "-n", SYSTEM)
    room.wait_for_address("web", new)


def test_without_the_last_pool_every_address_is_taken_away(room: Room) -> None:
    room.pool_of(2)
    for name in ("web", "api"):
        room.service(name)
        room.address(name)
    room.cluster.kubectl("delete", "ipaddresspool", "first-pool", "-n", SYSTEM)
    for name in ("web", "api"):
        room.wait_for_none(name)


def test_a_pool_that_is_renamed_takes_no_address_away(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    room.address("web")
    # Apart they could not be: two pools of one address are a mistake, in which the first by name counts.
    room.pool("a-new-name", address)
    room.cluster.kubectl("delete", "ipaddresspool", "first-pool", "-n", SYSTEM)
    wait_for("the annotation follows", lambda: room.pool_name("web") == "a-new-name")
    assert room.held("web") == [address]
    assert "ClearAssignment" not in {one.reason for one in room.events("web")}


def test_a_status_that_somebody_clears_is_written_again(room: Room) -> None:
    (address,) = room.pool_of()
    room.service("web")
    room.address("web")
    empty = '{"status": {"loadBalancer": null}}'
    room.cluster.kubectl("patch", "service", "web", "-n", HOME, "--subresource=status", "--type=merge", "-p", empty)
    room.wait_for_address("web", address)


def test_controllers_that_start_anew_change_nothing(room: Room) -> None:
    room.pool_of(3)
    names = ("web", "api", "mail")
    for name in names:
        room.service(name)
    before = {name: room.address(name) for name in names}
    room.service("late")
    room.refused("late")
    room.cluster.kubectl("delete", "pods", "-n", SYSTEM, "-l", "component=controller", "--wait=false")
    (more,) = room.pool_of(name="second")
    room.wait_for_address("late", more)
    assert {name: room.address(name) for name in names} == before
    room.cluster.kubectl("rollout", "status", "deployment/controller", "-n", SYSTEM, "--timeout=120s")


# ===== what the pool says of itself =====


def counts(room: Room) -> tuple[int, ...]:
    status = room.pool_status("first-pool")
    fields = ("assignedIPv4", "availableIPv4", "assignedIPv6", "availableIPv6")
    return tuple(status.get(field, -1) for field in fields)


def test_the_counts_of_a_pool_follow_its_services_and_its_ranges(room: Room) -> None:
    addresses = room.pool_of(4)
    wait_for("4 are free", lambda: counts(room) == (0, 4, 0, 0))
    room.service("web")
    wait_for("3 are free", lambda: counts(room) == (1, 3, 0, 0))
    room.pool("first-pool", *addresses, *room.take(4, ipv6=2))
    wait_for("7 and 2 are free", lambda: counts(room) == (1, 7, 0, 2))
    room.delete("web")
    wait_for("8 and 2 are free", lambda: counts(room) == (0, 8, 0, 2))


def test_a_status_of_a_pool_that_somebody_edits_is_reverted(room: Room) -> None:
    room.pool_of(2)
    wait_for("2 are free", lambda: counts(room) == (0, 2, 0, 0))
    edited = '{"status": {"availableIPv4": 77}}'
    command = ("patch", "ipaddresspool", "first-pool", "-n", SYSTEM, "--subresource=status", "--type=merge")
    room.cluster.kubectl(*command, "-p", edited)
    wait_for("2 are free again", lambda: counts(room) == (0, 2, 0, 0))


@pytest.mark.parametrize("column", ["AUTO ASSIGN", "AVOID BUGGY IPS", "ADDRESSES"])
def test_kubectl_shows_the_columns_of_a_pool(room: Room, column: str) -> None:
    room.pool_of()
    assert column in room.cluster.kubectl("get", "ipaddresspools", "-n", SYSTEM).splitlines()[0]

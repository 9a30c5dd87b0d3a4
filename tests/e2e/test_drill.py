"""``metalev drill`` against an API server, as a person who administers it runs it."""

from __future__ import annotations

import json

import pytest
from tests.e2e.cluster import SYSTEM, Object, wait_for
from tests.e2e.room import Room

DRILLS = f"/apis/metalev.io/v1alpha1/namespaces/{SYSTEM}/drills"


@pytest.fixture
def address(room: Room) -> str:
    """That of the Service ``web``, which is announced."""
    (address,) = room.pool_of()
    room.advertise()
    room.service("web")
    room.announcer(address)
    wait_for("the speakers say who announces it", lambda: room.cluster.metalev("status")[0] == 0)
    return address


def drill(room: Room, address: str, *options: str) -> Object:
    """What the drill says happened."""
    status, said = room.cluster.metalev("drill", address, "-o", "json", *options)
    assert status == 0, said
    return dict(json.loads(said))


def test_a_drill_moves_an_address_away_and_back_and_leaves_no_object(room: Room, address: str) -> None:
    before = room.announcer(address)
    told = drill(room, address)
    holders = [one["node"] for one in told["held"] if one["node"]]
    assert holders[0] == holders[-1] == before
    assert len(set(holders)) >= 2
    assert room.announcer(address) == before
    assert room.cluster.items(DRILLS) == []


def test_a_crash_makes_another_node_take_the_address_by_missed_beacons(room: Room, address: str) -> None:
    before = room.announcer(address)
    told = drill(room, address, "--crash", "--yes", "--seconds", "3")
    took = next(one for one in told["held"] if one["node"] not in {"", before})
    assert took["cause"] == "missed-beacons"
    assert room.announcer(address, other_than=before)

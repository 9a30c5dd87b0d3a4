"""The lowest address with certain ports left, among those that are shared under one key."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalev.decide.rooms import BLOCK_BITS, PortKey, Room

BLOCK = 1 << BLOCK_BITS
# In one block, at the edges of blocks and of trees, and as far out as an IPv6 pool goes.
NUMBERS = [0, 1, 2, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK, 3 * BLOCK + 1, 6 * BLOCK, 7 * BLOCK, 2**64, 2**127]
WEB, TLS, DNS, QUIC = ("TCP", 80), ("TCP", 443), ("UDP", 53), ("UDP", 443)
PORTS = st.frozensets(st.sampled_from([WEB, TLS, DNS, QUIC]), max_size=3)
STEPS = st.tuples(st.sampled_from(["enter", "enter", "leave", "use", "use", "free"]), st.sampled_from(NUMBERS), PORTS)


def ports(*used: PortKey) -> frozenset[PortKey]:
    return frozenset(used)


class CountedRoom(Room):
    """Counts the blocks, and the trees and halves above them, that a question looks at."""

    looked_at = 0

    def _lowest(self, height: int, number: int, ports: frozenset[PortKey]) -> int | None:
        self.looked_at += 1
        return super()._lowest(height, number, ports)

    def ask(self, *wished: PortKey) -> tuple[int | None, int]:
        self.looked_at = 0
        return self.lowest(ports(*wished)), self.looked_at


@given(st.lists(STEPS, max_size=60))
def test_the_lowest_address_with_room_is_the_one_that_a_search_finds(
    steps: list[tuple[str, int, frozenset[PortKey]]],
) -> None:
    room, model = Room(), dict[int, set[PortKey]]()
    for deed, number, some in steps:
        if deed == "enter" and number not in model:
            room.enter(number, some)
            model[number] = set(some)
        elif deed == "leave" and number in model:
            room.leave(number)
            del model[number]
        elif number in model and deed in {"use", "free"}:
            for port in some:
                (room.use if deed == "use" else room.free)(number, port)
            model[number] = model[number] | some if deed == "use" else model[number] - some
        assert (len(room), {one for one in NUMBERS if one in room}) == (len(model), set(model))
        for wished in (ports(), ports(WEB), ports(WEB, TLS), ports(TLS, DNS, QUIC)):
            fits = (one for one in NUMBERS if one in model and not model[one] & wished)
            assert room.lowest(wished) == next(fits, None)


def test_a_port_that_is_used_twice_is_free_when_it_is_freed_once() -> None:
    room = Room()
    room.enter(5, [WEB, WEB])
    room.use(5, WEB)
    assert room.lowest(ports(WEB)) is None
    room.free(5, WEB)
    room.free(5, WEB)
    assert room.lowest(ports(WEB)) == 5


def test_the_same_port_of_another_protocol_is_another_port() -> None:
    room = Room()
    room.enter(5, [TLS])
    assert (room.lowest(ports(TLS)), room.lowest(ports(QUIC))) == (None, 5)


def test_a_question_for_a_port_that_nearly_everybody_uses_looks_at_few_of_a_thousand_blocks() -> None:
    room = CountedRoom()
    for block in range(1024):
        room.enter(block * BLOCK, [WEB])
    answer, looked_at = room.ask(WEB)
    assert (answer, looked_at) == (None, 11)  # the roots of the trees
    room.free(700 * BLOCK, WEB)
    answer, looked_at = room.ask(WEB)
    assert answer == 700 * BLOCK
    assert looked_at <= 11 + 2 * 10  # and no more than two on each level of one tree


def test_a_question_for_several_ports_passes_over_what_one_of_them_fills() -> None:
    room = CountedRoom()
    for block in range(1024):
        room.enter(block * BLOCK, [WEB if block < 512 else TLS])
    assert room.ask(WEB, TLS) == (None, 11)


def test_addresses_of_one_block_are_looked_at_together_whatever_ports_they_use() -> None:
    room = CountedRoom()
    for number in range(1000):
        room.enter(number, [WEB if number % 2 else TLS])
    room.enter(1000, [DNS])
    assert room.ask(WEB, TLS) == (1000, 1)


@pytest.mark.parametrize("first", NUMBERS)
def test_nothing_is_kept_of_what_has_left(first: int) -> None:
    room = Room()
    for number, port in product((first, first ^ 1), (WEB, TLS)):
        if number not in room:
            room.enter(number, [])
        room.use(number, port)
    room.free(first, TLS)
    assert all(TLS in node.used for node in room._nodes.values())
    room.free(first ^ 1, TLS)
    assert not any(TLS in node.used for node in room._nodes.values())
    room.leave(first)
    room.leave(first ^ 1)
    assert (room._nodes, room._ports) == ({}, {})

"""The addresses that are shared under one key, and the lowest of them on which certain ports are left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct

PortKey: TypeAlias = tuple[str, int]

BLOCK_BITS = 12
"""A block is 4,096 numbers: all of it is looked at at once, by the arithmetic of long integers."""


class _Node(Struct):
    """Who uses what among neighbouring numbers: in a block a bit for each address, above it how many there are.

    Either way a port is used by all of ``members`` if its entry in ``used`` equals them.
    """

    members: int = 0
    used: dict[PortKey, int] = {}

    def fills(self, ports: frozenset[PortKey]) -> bool:
        """Whether one of ``ports`` is used by all of the members."""
        return any(self.used.get(port) == self.members for port in ports)

    def add(self, port: PortKey, weight: int) -> None:
        """Count one more user of ``port``, or with a negative ``weight`` one less; what nobody uses is forgotten."""
        count = self.used.get(port, 0) + weight
        if count:
            self.used[port] = count
        else:
            del self.used[port]


class Room:
    """The addresses of one key by their numbers, which may be as large and as far apart as those of an IPv6 pool.

    Over the blocks stand binary trees of counts: one over block 0, one over block 1, one over 2 and 3, over 4 to 7 and
    so on, so that none grows and all are as low as the numbers allow. With k ports and numbers up to n

    - a change of one port of an address takes O(log n), the end of an address that once for each port on it;
    - so does the question for one port: a tree or half that the port fills is passed over, any other has room;
    - the question for k ports takes O(k log n), and O(k) for each block that none of the ports fills alone and that has
      no room all the same: at most n / 4,096 of them where addresses are given out one after the other. Nothing is
      known that would find a set that is disjoint from a given one in less than a power of their number.

    Nothing is kept of an address that has left, so memory follows the ports in use.
    """

    def __init__(self) -> None:
        self._ports: dict[int, set[PortKey]] = {}
        self._nodes: dict[tuple[int, int], _Node] = {}  # by height and number, of 2 ** height blocks each
        self._trees = 0

    def __contains__(self, number: int) -> bool:
        return number in self._ports

    def __len__(self) -> int:
        return len(self._ports)

    def enter(self, number: int, ports: Iterable[PortKey]) -> None:
        """The address ``number``, which is new here, is used by ``ports``."""
        self._ports[number] = set()
        for node, weight in self._path(number):
            node.members += weight
        for port in ports:
            self.use(number, port)

    def leave(self, number: int) -> None:
        """The address ``number`` is shared no longer under this key."""
        for port in tuple(self._ports[number]):
            self.free(number, port)
        del self._ports[number]
        for node, weight in self._path(number):
            node.members -= weight
        for place in self._places(number):
            if not self._nodes[place].members:
                del self._nodes[place]

    def use(self, number: int, port: PortKey) -> None:
        """``port`` of the address ``number`` is in use, if it was not already."""
        if port not in self._ports[number]:
            self._ports[number].add(port)
            for node, weight in self._path(number):
                node.add(port, weight)

    def free(self, number: int, port: PortKey) -> None:
        """``port`` of the address ``number`` is not in use, if it was."""
        if port in self._ports[number]:
            self._ports[number].remove(port)
            for node, weight in self._path(number):
                node.add(port, -weight)

    def lowest(self, ports: frozenset[PortKey]) -> int | None:
        """The lowest number of an address of which none of ``ports`` is in use."""
        roots = ((max(tree - 1, 0), min(tree, 1)) for tree in range(self._trees))
        found = (self._lowest(height, number, ports) for height, number in roots)
        return next((number for number in found if number is not None), None)

    def _lowest(self, height: int, number: int, ports: frozenset[PortKey]) -> int | None:
        node = self._nodes.get((height, number))
        if node is None or node.fills(ports):
            return None
        if height == 0:
            return _lowest_in(node, number, ports)
        left = self._lowest(height - 1, 2 * number, ports)
        return self._lowest(height - 1, 2 * number + 1, ports) if left is None else left

    def _path(self, number: int) -> Iterator[tuple[_Node, int]]:
        """The block of ``number`` and the nodes above it, each with what one address counts there."""
        bit = 1 << (number & ((1 << BLOCK_BITS) - 1))
        for place in self._places(number):
            node = self._nodes.get(place)
            if node is None:
                node = self._nodes[place] = _Node()
            yield node, bit if place[0] == 0 else 1

    def _places(self, number: int) -> Iterator[tuple[int, int]]:
        block = number >> BLOCK_BITS
        self._trees = max(self._trees, block.bit_length() + 1)
        return ((height, block >> height) for height in range(max(block.bit_length(), 1)))


def _lowest_in(block: _Node, number: int, ports: frozenset[PortKey]) -> int | None:
    taken = 0
    for port in ports:
        taken |= block.used.get(port, 0)
    left = block.members & ~taken
    return (number << BLOCK_BITS) + (left & -left).bit_length() - 1 if left else None

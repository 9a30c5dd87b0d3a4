"""Whose turn it is to try an address that became free: one Service at a time, the longest waiting first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from msgspec import Struct

from metalev.decide.waiting import NOBODY_YET, Opening, Waiting
from metalev.model.address import IPAddress
from metalev.model.meta import Name


class _Turn(Struct, frozen=True):
    """``service`` tries the address: it stands at ``place`` in the line number ``line``."""

    service: Name
    line: int
    place: int


# What there is of an address to have; ``None`` if it is taken, barred or of no pool.
FindOpening: TypeAlias = Callable[[IPAddress], Opening | None]


class Turns:
    """Passes each address on along the lines until somebody has it or nobody is left.

    So as many Services are woken as there are addresses, and no more than have to be: whoever is called and does not
    take the address (it needs another one beside it, it got another one) has the next one called. Whoever is called for
    one address is not called for another meanwhile, for he looks at everything that is free.
    """

    def __init__(self, lines: Iterable[Waiting], opening: FindOpening) -> None:
        """Those in an earlier line come first."""
        self._lines = tuple(lines)
        self._opening = opening
        self._turns: dict[IPAddress, _Turn] = {}
        self._trying: dict[Name, list[IPAddress]] = {}

    def offer(self, addresses: Iterable[IPAddress]) -> list[Name]:
        """Begin with each of ``addresses``, from the head of the lines; returns those whose turn it is."""
        return self._call((address, 0, NOBODY_YET) for address in dict.fromkeys(addresses))

    def looks(self, service: Name) -> tuple[IPAddress, ...]:
        """``service`` is about to be decided upon; returns what it was called for, to be passed on afterwards."""
        for line in self._lines:
            line.back(service)
        return tuple(self._trying.pop(service, ()))

    def pass_on(self, service: Name, tried: Iterable[IPAddress], got: Sequence[IPAddress]) -> list[Name]:
        """``service``, which was called for what it ``tried``, has ``got`` this; returns those whose turn it is now."""
        called: list[Name] = []
        for address in tried:
            turn = self._turns.get(address)
            if turn is not None and turn.service == service:
                others = self._swap(address, turn, got)
                called += self._next(address, turn.line, turn.place) if others is None else others
        return called

    def _swap(self, address: IPAddress, turn: _Turn, got: Sequence[IPAddress]) -> Iterable[Name] | None:
        """If ``turn.service`` got what another was called for, let that one try ``address``, and nobody else yet.

        Returns those who have to be told; ``None`` if there was nothing to swap.
        """
        for one in got:
            other = self._turns.get(one)
            if other is not None and other.service != turn.service and self._opening(one) is None:
                del self._turns[one]
                self._turns[address] = _Turn(other.service, turn.line, turn.place)
                self._trying[other.service].append(address)
                return self._asking_for(one)
        return None

    def forget(self) -> None:
        """Everybody is looked at anyway."""
        for service in self._trying:
            for line in self._lines:
                line.back(service)
        self._turns, self._trying = {}, {}

    def _call(self, places: Iterable[tuple[IPAddress, int, int]]) -> list[Name]:
        return [name for place in places for name in self._next(*place)]

    def _next(self, address: IPAddress, line: int, after: int) -> Iterable[Name]:
        self._turns.pop(address, None)
        opening = self._opening(address)
        if opening is None:
            return self._asking_for(address)
        for number in range(line, len(self._lines)):
            found = self._lines[number].first(opening, after if number == line else NOBODY_YET)
            if found is not None:
                place, service = found
                self._turns[address] = _Turn(service, number, place)
                self._trying.setdefault(service, []).append(address)
                self._lines[number].call(service)
                return [service]
        return []

    def _asking_for(self, address: IPAddress) -> list[Name]:
        """Those who ask for this very address: they are told whose it is now."""
        return [name for line in self._lines for name in line.asking_for(address)]

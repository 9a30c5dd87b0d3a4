"""Who waits for an address, and for which."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import count
from typing import TypeAlias

from msgspec import Struct

from metalev.decide.sharing import Key
from metalev.model.address import Family, IPAddress
from metalev.model.meta import Name


class Want(Struct, frozen=True):
    """What would help a Service: one of ``addresses``; if it names none, of ``families`` in ``pool`` (empty: in any).

    Nothing at all helps against a wish that nobody can read: then there are no families either. An address that others
    share helps whoever shares on the same terms, ``together``; ``None`` shares with nobody.
    """

    addresses: tuple[IPAddress, ...] = ()
    families: tuple[Family, ...] = ()
    pool: str = ""
    together: Key | None = None


class Opening(Struct, frozen=True):
    """An address of ``pool`` that somebody may get: a free one, or one that is shared ``together``."""

    address: IPAddress
    pool: str
    together: Key | None = None


_Key: TypeAlias = IPAddress | tuple[str, Family, Key | None]

NOBODY_YET = -1
"""A place in line before everybody's."""


class Waiting:
    """The Services that want what they do not have, in the order in which they began to want it.

    A place in line is a number. Whoever is called keeps the place, and is not called again until he is back.
    """

    def __init__(self) -> None:
        self._wants: dict[Name, Want] = {}
        self._place: dict[Name, int] = {}
        self._name: dict[int, Name] = {}
        self._called: set[Name] = set()
        self._by_key: dict[_Key, list[int]] = {}  # places, ascending, of those who are not called
        self._order = count()

    def __len__(self) -> int:
        return len(self._wants)

    def add(self, service: Name, want: Want) -> None:
        """Let ``service`` wait; who waits already keeps its place."""
        if self._wants.get(service) == want:
            return
        place = self._place.get(service)
        self.discard(service)
        place = next(self._order) if place is None else place
        self._wants[service], self._place[service], self._name[place] = want, place, service
        self._line_up(service)

    def discard(self, service: Name) -> None:
        """``service`` waits no longer."""
        if service in self._wants:
            self.call(service)
            self._called.discard(service)
            del self._wants[service], self._name[self._place.pop(service)]

    def first(self, opening: Opening, after: int = NOBODY_YET) -> tuple[int, Name] | None:
        """The first in line whom ``opening`` can help, with the place in line, behind the place ``after``."""
        lines = (self._by_key.get(key, ()) for key in _keys_of(opening))
        found = ((line, bisect_right(line, after)) for line in lines)
        place = min((line[index] for line, index in found if index < len(line)), default=None)
        return None if place is None else (place, self._name[place])

    def asking_for(self, address: IPAddress) -> tuple[Name, ...]:
        """Those who want this very address, longest first, but for who is called."""
        return tuple(map(self._name.__getitem__, self._by_key.get(address, ())))

    def call(self, service: Name) -> None:
        """It is the turn of ``service``, which waits."""
        if service not in self._called:
            self._called.add(service)
            for key in _keys(self._wants[service]):
                line = self._by_key[key]
                del line[bisect_left(line, self._place[service])]
                if not line:
                    del self._by_key[key]

    def back(self, service: Name) -> None:
        """``service`` was called, and may be called again if it still waits."""
        if service in self._called:
            self._line_up(service)

    def in_order(self) -> tuple[Name, ...]:
        """Everybody who waits, longest first."""
        return tuple(sorted(self._wants, key=self._place.__getitem__))

    def _line_up(self, service: Name) -> None:
        self._called.discard(service)
        for key in _keys(self._wants[service]):
            insort(self._by_key.setdefault(key, []), self._place[service])


def _keys(want: Want) -> Iterator[_Key]:
    """Under which openings it is found."""
    if want.addresses:
        yield from want.addresses
        return
    for family in want.families:
        yield want.pool, family, None
        if want.together is not None:
            yield want.pool, family, want.together


def _keys_of(opening: Opening) -> tuple[_Key, ...]:
    family = opening.address.version
    return opening.address, (opening.pool, family, opening.together), ("", family, opening.together)

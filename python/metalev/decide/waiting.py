"""Who waits for an address, and for which."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import TypeAlias

from msgspec import Struct

from metalev.model.address import Family, IPAddress
from metalev.model.meta import Name


class Want(Struct, frozen=True):
    """What would help a Service: one of ``addresses``, else one of ``families`` in ``pool``, else (empty) in any pool.

    Nothing at all helps against a wish that nobody can read: then there are no families either.
    """

    addresses: tuple[IPAddress, ...] = ()
    families: tuple[Family, ...] = ()
    pool: str = ""


_Key: TypeAlias = IPAddress | tuple[str, Family]


class Waiting:
    """The Services that want what they do not have, in the order in which they began to want it.

    An address that becomes free wakes those whom it can help and nobody else.
    """

    def __init__(self) -> None:
        self._wants: dict[Name, Want] = {}
        self._since: dict[Name, int] = {}
        self._by_key: dict[_Key, dict[Name, None]] = {}
        self._order = count()

    def __len__(self) -> int:
        return len(self._wants)

    def add(self, service: Name, want: Want) -> None:
        """Let ``service`` wait; who waits already keeps its place."""
        if self._wants.get(service) == want:
            return
        since = self._since.get(service)
        self.discard(service)
        self._wants[service] = want
        self._since[service] = next(self._order) if since is None else since
        for key in _keys(want):
            self._by_key.setdefault(key, {})[service] = None

    def discard(self, service: Name) -> None:
        """``service`` waits no longer."""
        want = self._wants.pop(service, None)
        if want is None:
            return
        del self._since[service]
        for key in _keys(want):
            waiters = self._by_key[key]
            del waiters[service]
            if not waiters:
                del self._by_key[key]

    def helped_by(self, freed: Iterable[tuple[IPAddress, str]]) -> tuple[Name, ...]:
        """Those whom an address of ``freed`` (each with its pool) can help, longest first."""
        names: set[Name] = set()
        for address, pool in freed:
            keys: tuple[_Key, ...] = (address, (pool, address.version), ("", address.version))
            names.update(name for key in keys for name in self._by_key.get(key, ()))
        return tuple(sorted(names, key=self._since.__getitem__))

    def in_order(self) -> tuple[Name, ...]:
        """Everybody who waits, longest first."""
        return tuple(sorted(self._wants, key=self._since.__getitem__))


def _keys(want: Want) -> tuple[_Key, ...]:
    return want.addresses or tuple((want.pool, family) for family in want.families)

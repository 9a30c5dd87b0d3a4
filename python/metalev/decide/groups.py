"""Addresses that move together: the unit of ownership.

A group is a connected component of addresses linked by Services: the pair of a dual-stack Service, and whatever several
Services share. Only a node that may announce every one of these Services may own it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from metalev.decide.candidates import Announcement, Why, in_order
from metalev.model.address import IPAddress, sort_key
from metalev.model.meta import Name
from metalev.model.ownership import Candidate, Group

_Number = tuple[int, int]  # an address by its sort key, which hashes faster
_Services = Mapping[Name, Sequence[IPAddress]]


class Grouping(Struct, frozen=True):
    """All groups that somebody may own, by ascending key.

    By the key of a group as text: ``services`` that it carries, ``excluded`` the nodes that are no candidates and why,
    ``nobody`` why a group has no candidate at all (such a one is not among ``groups``).
    """

    groups: tuple[Group, ...] = ()
    services: Mapping[str, tuple[Name, ...]] = {}
    excluded: Mapping[str, Mapping[str, Why]] = {}
    nobody: Mapping[str, str] = {}


class Groups:
    """Forms the groups; one whose Services and announcements are the same objects as before is the same object."""

    def __init__(self) -> None:
        self._known: dict[_Number, tuple[tuple[Name, ...], tuple[Announcement, ...], Group, Mapping[str, Why]]] = {}

    def form(self, services: _Services, announcements: Mapping[Name, Announcement]) -> Grouping:
        """The groups of ``services`` (name to addresses, never empty), in time linear in their number."""
        before, self._known = self._known, {}
        for names in _components(services):
            key = min((services[name][0] for name in names), key=sort_key)
            parts = tuple(announcements[name] for name in names)
            known = before.get(sort_key(key))
            if known is None or known[0] != names or not _same(known[1], parts):
                addresses = {address for name in names for address in services[name]}
                known = names, parts, *_group(key, addresses, parts)
            self._known[sort_key(key)] = known
        return self._grouping()

    def _grouping(self) -> Grouping:
        rows = [(str(row[2].key), row) for _, row in sorted(self._known.items(), key=lambda item: item[0])]
        return Grouping(
            groups=tuple(row[2] for _, row in rows if row[2].candidates),
            services={key: row[0] for key, row in rows},
            excluded={key: row[3] for key, row in rows},
            nobody={key: _why_nobody(row[3]) for key, row in rows if not row[2].candidates},
        )


def _components(services: _Services) -> Iterable[tuple[Name, ...]]:
    """The names of Services that are linked by addresses, those of one component together (union-find)."""
    parents: dict[_Number, _Number] = {}

    def root(number: _Number) -> _Number:
        while (parent := parents.setdefault(number, number)) != number:
            parents[number] = number = parents[parent]  # halve the path, so that the next one is short
        return number

    firsts = {name: sort_key(addresses[0]) for name, addresses in services.items()}
    for name, addresses in services.items():
        for address in addresses:
            parents[root(sort_key(address))] = root(firsts[name])
    components: dict[_Number, list[Name]] = {}
    for name, first in firsts.items():
        components.setdefault(root(first), []).append(name)
    return (tuple(sorted(names)) if len(names) > 1 else tuple(names) for names in components.values())


def _group(
    key: IPAddress, addresses: Iterable[IPAddress], parts: Sequence[Announcement]
) -> tuple[Group, Mapping[str, Why]]:
    interfaces = _union([part.interfaces for part in parts])
    group = Group(key, tuple(sorted(addresses, key=sort_key)), _intersection(key, parts), interfaces)
    if len(parts) == 1:
        return group, parts[0].excluded
    excluded: dict[str, Why] = {}
    for part in parts:
        excluded = {**part.excluded, **excluded}
    return group, excluded


def _intersection(key: IPAddress, parts: Sequence[Announcement]) -> tuple[Candidate, ...]:
    """The nodes that may announce every part, in the order that goes with ``key``; scores add up."""
    if len(parts) == 1:
        return parts[0].candidates  # already in the order of its own first address, which is the key
    scores = [{one.node: one.score for one in part.candidates} for part in parts]
    common = set(scores[0]).intersection(*scores[1:])
    return in_order((Candidate(node, sum(one[node] for one in scores)) for node in common), key)


def _union(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """All names in ``lists``; an empty list stands for every interface, and so does the result then."""
    if len(lists) == 1:
        return lists[0]
    return tuple(sorted(set().union(*lists))) if all(lists) else ()


def _why_nobody(excluded: Mapping[str, Why]) -> str:
    """The reasons with the nodes that they concern, the same ones together."""
    nodes: dict[Why, list[str]] = {}
    for node, why in sorted(excluded.items()):
        nodes.setdefault(why, []).append(node)
    if not nodes:
        return "no node is known"
    return "; ".join(f"{why}: {', '.join(names)}" for why, names in sorted(nodes.items()))


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))

"""Addresses that move together: the unit of ownership.

A group is a connected component of addresses linked by Services: the pair of a dual-stack Service, and whatever several
Services share. Only a node that may announce every one of these Services may own it; one that no node may announce,
because it has no endpoints, say, costs the others nothing (MetalLB's speakers look at each Service by itself).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from metalev.decide.candidates import ADVICE, Announcement, Why, calmest, in_order
from metalev.model.address import IPAddress, sort_key
from metalev.model.meta import Name
from metalev.model.ownership import Candidate, Group, Preempt

_NO_NODE = "no node is known"
_Services = Mapping[Name, Sequence[IPAddress]]
_Number = tuple[int, int]  # an address by its sort key, which hashes faster
_Numbers = Mapping[Name, Sequence[_Number]]


class Grouping(Struct, frozen=True):
    """All groups that somebody may own, or may keep, by ascending key.

    By the key of a group as text: ``services`` that it carries, ``excluded`` the nodes that are no candidates and why,
    ``nobody`` why a group has no candidate at all (such a one is among ``groups`` only for its last announcer).
    ``left_out``: why no node may announce a Service, though those with which it shares an address have candidates.
    """

    groups: tuple[Group, ...] = ()
    services: Mapping[str, tuple[Name, ...]] = {}
    excluded: Mapping[str, Mapping[str, Why]] = {}
    nobody: Mapping[str, str] = {}
    left_out: Mapping[Name, str] = {}


class _Row(Struct, frozen=True):
    """A group with what it was made of and what is said of it; ``number`` and ``key`` are its key."""

    number: _Number
    key: str
    names: tuple[Name, ...]
    parts: tuple[Announcement, ...]
    group: Group
    excluded: Mapping[str, Why]


class Groups:
    """Forms the groups; one whose Services have the same announcements as before is the same object."""

    def __init__(self, preempt: Preempt = Preempt.STICKY) -> None:
        """``preempt`` counts where no advertisement says anything of it."""
        self._preempt = preempt
        self._numbers: dict[Name, tuple[Sequence[IPAddress], tuple[_Number, ...]]] = {}
        self._rows: dict[tuple[Name, ...], _Row] = {}

    def form(self, services: _Services, announcements: Mapping[Name, Announcement]) -> Grouping:
        """The groups of ``services`` (name to addresses, never empty), in time linear in their number.

        A Service whose addresses change has a new announcement, too.
        """
        before, self._rows = self._rows, {}
        for names in _components(self._numbered(services)):
            parts = tuple([announcements[name] for name in names])
            row = before.get(names)
            if row is None or any(now is not then for now, then in zip(parts, row.parts, strict=True)):
                row = _row(names, [services[name] for name in names], parts, self._preempt)
            self._rows[names] = row
        rows = sorted(self._rows.values(), key=lambda row: row.number)
        return Grouping(
            # One without a candidate stays with its last announcer, if that can serve it.
            groups=tuple([row.group for row in rows if row.group.candidates or row.group.keeps]),
            services={row.key: row.names for row in rows},
            excluded={row.key: row.excluded for row in rows},
            nobody={row.key: _why_nobody(row) for row in rows if not row.group.candidates},
            left_out={name: why for row in rows if len(row.names) > 1 for name, why in _left_out(row)},
        )

    def _numbered(self, services: _Services) -> _Numbers:
        before, self._numbers = self._numbers, {}
        for name, addresses in services.items():
            known = before.get(name)
            if known is None or known[0] is not addresses:
                known = addresses, tuple(map(sort_key, addresses))
            self._numbers[name] = known
        return {name: numbers for name, (_, numbers) in self._numbers.items()}


def _components(services: _Numbers) -> Iterable[tuple[Name, ...]]:
    """The Services that are linked by addresses, those of one component together (union-find)."""
    first_with: dict[_Number, Name] = {}
    parents: dict[Name, Name] = {}  # only of those that share an address: most do not

    def root(name: Name) -> Name:
        while (parent := parents.get(name, name)) is not name:
            parents[name] = name = parents.get(parent, parent)  # halve the path, so that the next walk is short
        return name

    for name, numbers in services.items():
        for number in numbers:
            other = first_with.setdefault(number, name)
            if other is not name and (one := root(other)) is not (two := root(name)):
                parents[one] = two
    components: dict[Name, list[Name]] = {}
    for name in services:
        components.setdefault(root(name) if parents else name, []).append(name)
    return [tuple(sorted(names)) if len(names) > 1 else tuple(names) for names in components.values()]


def _row(
    names: tuple[Name, ...], held: Sequence[Sequence[IPAddress]], parts: tuple[Announcement, ...], preempt: Preempt
) -> _Row:
    say = _say(parts)
    shown = [addresses for addresses, has in zip(held, say, strict=True) if has]
    counting = [part for part, has in zip(parts, say, strict=True) if has]
    key = min((addresses[0] for addresses in shown), key=sort_key)
    group, excluded = _group(key, {address for addresses in shown for address in addresses}, counting, preempt)
    return _Row(sort_key(key), str(key), names, parts, group, excluded)


def _group(
    key: IPAddress, addresses: Iterable[IPAddress], parts: Sequence[Announcement], preempt: Preempt
) -> tuple[Group, Mapping[str, Why]]:
    group = Group(
        key,
        tuple(sorted(addresses, key=sort_key)),
        _intersection(key, parts),
        _union([part.interfaces for part in parts]),
        gives_way=any(part.gives_way for part in parts),
        keeps=all(part.serves for part in parts),
        preempt=calmest(part.preempt for part in parts) or preempt,
    )
    if len(parts) == 1:
        return group, parts[0].excluded
    excluded: dict[str, Why] = {}
    for part in parts:
        excluded = {**part.excluded, **excluded}
    return group, excluded


def _say(parts: Sequence[Announcement]) -> Sequence[bool]:
    """Which of them have a say in who may own the group: all, if none can be announced."""
    say = [bool(part.candidates) or _elsewhere(part) for part in parts]
    return say if any(say) else [True] * len(parts)


def _elsewhere(part: Announcement) -> bool:
    """Whether a speaker of MetalLB answers for the Service, so that none of ours may answer for its addresses."""
    return Why.METALLB in part.excluded.values()


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


def why_nobody(announcement: Announcement) -> str:
    """Why a Service that shares no address has no candidate; empty if it has one, or somebody else announces it."""
    if announcement.candidates or _elsewhere(announcement):
        return ""
    return _reasons(announcement.excluded) if announcement.excluded else _NO_NODE


def _why_nobody(row: _Row) -> str:
    """Why there is no candidate: of a Service alone, or of several that only together have none."""
    if not row.excluded:
        return _NO_NODE
    if len(row.names) == 1:
        return _reasons(row.excluded)
    parts = zip(row.names, row.parts, _say(row.parts), strict=True)
    each = (f"{name}: {_reasons(part.excluded)}" for name, part, has in parts if has and part.excluded)
    return f"these Services share addresses, and no node may announce all of them: {'; '.join(each)}"


def _left_out(row: _Row) -> Iterable[tuple[Name, str]]:
    """The Services that have no say in a group, and why."""
    for name, part, has in zip(row.names, row.parts, _say(row.parts), strict=True):
        if not has:
            yield name, f"for this Service, only for those that share it: {_reasons(part.excluded)}"


def _reasons(excluded: Mapping[str, Why]) -> str:
    """The reasons with the nodes that they concern, the same ones together, and what can be done about them."""
    nodes: dict[Why, list[str]] = {}
    for node, why in sorted(excluded.items()):
        nodes.setdefault(why, []).append(node)
    advice = {why: f" ({ADVICE[why]})" if why in ADVICE else "" for why in nodes}
    return "; ".join(f"{why}: {_some(names)}{advice[why]}" for why, names in sorted(nodes.items()))


def _some(names: list[str]) -> str:
    """The first few of them: a cluster has up to thousands of nodes, and an event 1,024 bytes."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more

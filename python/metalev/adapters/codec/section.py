"""A mapping read key by key, where every key must be known and several spellings may mean one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TypeVar

import msgspec
from msgspec import Struct

from metalev.adapters.codec.fields import MISSING, BadField, convert

S = TypeVar("S", bound=Struct)
Spellings = Mapping[str, tuple[str, ...]]

_HEAD = re.compile(r"[^.\[]*")


class Section:
    """One mapping of MetalLB's old configuration. Errors name keys as the user wrote them.

    A key may be written in its hyphened form, as in MetalLB's resources (``bfdProfile``, ``myASN``: its own example has
    it so), or in another spelling that the reader lists: hyphens, underscores and case do not count. After everything
    was read, ``finish`` refuses what is left.
    """

    def __init__(self, content: object, path: str = "") -> None:
        mapping = convert({} if content is None else content, dict[str, object], path)
        self.path = path
        self._content = {key: value for key, value in mapping.items() if value is not None}
        self._spellings: dict[str, str] = {}  # every key that was asked for, as it is written

    def path_of(self, key: str) -> str:
        """Where ``key`` stands, seen from the whole configuration, in the user's spelling once it was read."""
        return self._path(self._spellings.get(key, key))

    def read(self, wire: type[S], others: Spellings | None = None) -> S:
        """The keys that ``wire`` has; ``others`` are their further spellings. Raises :class:`BadField`."""
        canonical = {}
        for field in msgspec.structs.fields(wire):
            key = field.encode_name
            spelling = self._spelling(key, *(others or {}).get(key, ()))
            if spelling is not None:
                canonical[key] = self._content[spelling]
        try:
            return convert(canonical, wire)
        except BadField as error:
            head = _HEAD.match(error.path)
            key = head[0] if head else ""
            if error.problem == MISSING:
                self._check_misspelt(key)
            raise BadField(self.path_of(key) + error.path[len(key) :], error.problem) from None

    def sections(self, key: str, *others: str) -> Iterator[Section]:
        """The mappings of the list ``key``, none if it is absent. Raises :class:`BadField`."""
        spelling = self._spelling(key, *others)
        if spelling is not None:
            path = self.path_of(key)
            for index, item in enumerate(convert(self._content[spelling], list[object], path)):
                yield Section(item, f"{path}[{index}]")

    def finish(self) -> None:
        """Refuse the first key that nobody asked for. Raises :class:`BadField`."""
        known, written = list(self._spellings), set(self._spellings.values())
        for key in self._content:
            if key not in written:
                close = get_close_matches(key.lower(), known, n=1, cutoff=0.7)
                hint = f'did you mean "{close[0]}"?' if close else f"there are {', '.join(known)}"
                raise BadField(self._path(key), f"unknown key: {hint}")

    def _check_misspelt(self, key: str) -> None:
        """Tell of a key that looks like ``key``, which is missing."""
        for near in get_close_matches(key, self._content.keys() - self._spellings.values(), n=1, cutoff=0.7):
            raise BadField(self._path(near), f'unknown key: did you mean "{key}"?')

    def _spelling(self, key: str, *others: str) -> str | None:
        """How the user wrote ``key``; ``None`` if nothing is said of it."""
        wanted = {folded(one) for one in (key, *others)}
        found = [each for each in self._content if folded(each) in wanted]
        self._spellings[key] = found[0] if found else key
        if len(found) > 1:
            raise BadField(self._path(found[1]), f'says the same as "{found[0]}": keep one of the two')
        return found[0] if found else None

    def _path(self, spelling: str) -> str:
        return f"{self.path}.{spelling}" if self.path else spelling


def folded(key: str) -> str:
    """What all spellings of ``key`` have in common: MetalLB wrote ``avoid-buggy-ips`` and later ``avoidBuggyIPs``."""
    return key.replace("-", "").replace("_", "").lower()

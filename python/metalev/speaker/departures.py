"""What a move costs: the connections that were open through this node when it let go of an address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from metalev.adapters.logs import fields
from metalev.model.address import IPAddress
from metalev.model.errors import Unavailable
from metalev.model.ownership import Fact, FactKind

# Nobody else gets what no Service has any more, nor what only moves together with others than before.
_NO_MOVE = frozenset({"removed", "regrouped"})

Look: TypeAlias = Callable[[Mapping[IPAddress, float]], Mapping[IPAddress, int]]

_OPEN = "%d TCP connections to %s were open through this node, and do not survive if another node has it now"

log = logging.getLogger("metalev.speaker")


class Departures:
    """Counts them from the engine's facts. Used by one thread."""

    def __init__(self, look: Look, counted: Callable[[str, int], None]) -> None:
        """``look`` says how many connections to each address had a packet in its last so many seconds.

        ``counted`` is told the cause of the move and their number.
        """
        self._look = look
        self._counted = counted
        self._since: dict[IPAddress, float] = {}
        self._complained = False

    def note(self, facts: Iterable[Fact]) -> None:
        """Take some facts into account, in their order; one look for all that they say has gone."""
        gone: list[tuple[Fact, dict[IPAddress, float]]] = []
        for fact in facts:
            if fact.kind is FactKind.TOOK:
                for address in fact.addresses:
                    self._since.setdefault(address, fact.at)
            elif fact.kind is FactKind.YIELDED and fact.cause != "regrouped":
                held = {one: fact.at - self._since.pop(one, fact.at) for one in fact.addresses}
                if fact.cause not in _NO_MOVE:
                    gone.append((fact, held))
        if gone:
            self._count(gone)

    def _count(self, gone: Iterable[tuple[Fact, Mapping[IPAddress, float]]]) -> None:
        try:
            found = self._look({address: held for _, part in gone for address, held in part.items()})
        except Unavailable as error:
            if not self._complained:
                log.info(
                    "how many connections a move costs is not known here: the kernel does not show them (%s)", error
                )
            self._complained = True
            return
        for fact, held in gone:
            number = sum(found.get(address, 0) for address in held)
            self._counted(fact.cause, number)
            if number:
                what = ", ".join(str(address) for address in held)
                details = fields(group=fact.group, cause=fact.cause, peer=fact.peer)
                log.info(_OPEN, number, what, extra=details)

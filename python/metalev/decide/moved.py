"""What is told of an address that has moved to this node: from where, to where and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metalev.decide.speaker import SpeakerDesired
from metalev.decide.words import quoted
from metalev.model.actions import Event, EventType, SpeakerState
from metalev.model.meta import Kind, ObjectKey
from metalev.model.ownership import Fact

COMPONENT = "metallb-speaker"
# Causes for which a node takes what nobody had, or tells anew of what it has.
_NO_MOVE = frozenset({"first-candidate", "resumed", "link", "regrouped"})
# The fact then names whom it passed over, not who had it.
_PASSED_OVER = "passed-over"


def moves(
    before: SpeakerState | None, now: SpeakerState, desired: SpeakerDesired, held: Mapping[str, Fact]
) -> Iterator[Event]:
    """An ``announcerMoved`` on each Service of a group that has moved to this node since ``before``.

    ``held`` are the facts behind the holdings of ``now``. The text has no figures, so that moves which come again and
    again are one event that counts; the log has them.
    """
    known = {(one.group, one.term) for one in (before.holdings if before else ())}
    for holding in now.holdings:
        fact = held.get(holding.group)
        if fact is None or fact.cause in _NO_MOVE or (holding.group, holding.term) in known:
            continue
        message = _message(fact, now.name.name)
        for name in desired.services_of_group.get(holding.group, ()):
            yield Event(ObjectKey(Kind.SERVICE, name), EventType.NORMAL, "announcerMoved", message, COMPONENT)


def _message(fact: Fact, node: str) -> str:
    origin = f"from node {quoted(fact.peer)} " if fact.peer and fact.cause != _PASSED_OVER else ""
    what = ", ".join(map(str, fact.addresses))
    return f"{what} moved {origin}to node {quoted(node)}: {fact.cause}; open connections do not survive a move"

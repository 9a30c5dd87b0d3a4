"""What a node tells of a Service whose address was not answered as it should be when the node asked on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metalev.decide.refusals import COMPONENT
from metalev.decide.speaker import SpeakerDesired
from metalev.model.actions import Event, EventType
from metalev.model.meta import Kind, ObjectKey
from metalev.model.snapshot import Snapshot

REASONS: Mapping[str, str] = {
    "no-answer": "NoAnswer",
    "wrong-answer": "WrongAnswer",
    "two-answers": "TwoAnswers",
}
"""The event's reason, by the engine's cause."""


def witness_events(snapshot: Snapshot, desired: SpeakerDesired) -> frozenset[Event]:
    """A warning on each Service for each of its addresses that was not answered as it should be, in the log's words."""
    return frozenset(_told(snapshot, desired)) if snapshot.witnessed else frozenset()


def _told(snapshot: Snapshot, desired: SpeakerDesired) -> Iterator[Event]:
    for group in desired.table.groups:
        for address in map(str, group.addresses):
            fact = snapshot.witnessed.get(address)
            if fact is None:
                continue
            for name in desired.services_of_group.get(str(group.key), ()):
                service = snapshot.services.get(name)
                if service is not None and address in map(str, service.status.addresses):
                    key = ObjectKey(Kind.SERVICE, name)
                    yield Event(key, EventType.WARNING, REASONS[fact.cause], fact.message, COMPONENT)

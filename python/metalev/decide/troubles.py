"""What a node tells of others on the wire that is to be mended elsewhere, and of its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metalev.decide.refusals import COMPONENT
from metalev.decide.speaker import SpeakerDesired
from metalev.model.actions import Event, EventType
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact, FactKind
from metalev.model.snapshot import Snapshot

REASONS: Mapping[FactKind, str] = {
    FactKind.PROXY_ARP: "ProxyARP",
    FactKind.OWN_KERNEL: "KernelAnswers",
    FactKind.UNHEEDED: "BeaconsNotHeeded",
    FactKind.UNSENT_LASTS: "FramesNotSent",
}
"""The event's reason, by the kind of fact."""

OVER = "Over"
"""What is added to the reason when it is over."""


def trouble_events(snapshot: Snapshot, node: str, desired: SpeakerDesired) -> frozenset[Event]:
    """A warning in the log's words on whose it is to mend: our Node that is concerned, or else the one that noticed.

    And on the Services whose addresses are answered for by whom they should not be.
    """
    return frozenset(_told(snapshot, node, desired)) if snapshot.trouble else frozenset()


def ending(event: Event, snapshot: Snapshot) -> Event | None:
    """What is told when ``event`` holds no longer; nothing of a Service that is gone, nor of other events."""
    if event.reason not in REASONS.values():
        return None
    if event.regarding.kind is Kind.SERVICE and event.regarding.name not in snapshot.services:
        return None
    return Event(event.regarding, EventType.NORMAL, event.reason + OVER, f"over: {event.message}", event.component)


def _told(snapshot: Snapshot, node: str, desired: SpeakerDesired) -> Iterator[Event]:
    services = _services(snapshot, desired)
    for fact in snapshot.trouble:
        concerned = fact.peer if Name("", fact.peer) in snapshot.nodes else node
        yield _event(ObjectKey(Kind.NODE, Name("", concerned)), fact)
        if fact.kind is not FactKind.UNHEEDED:
            for address in map(str, fact.addresses):
                for name in services.get(address, ()):
                    yield _event(ObjectKey(Kind.SERVICE, name), fact)


def _services(snapshot: Snapshot, desired: SpeakerDesired) -> Mapping[str, list[Name]]:
    """The Services that have an address, by the address."""
    wanted = {str(address) for fact in snapshot.trouble for address in fact.addresses}
    found: dict[str, list[Name]] = {}
    for group in desired.table.groups:
        for address in wanted.intersection(map(str, group.addresses)):
            for name in desired.services_of_group.get(str(group.key), ()):
                service = snapshot.services.get(name)
                if service is not None and address in map(str, service.status.addresses):
                    found.setdefault(address, []).append(name)
    return found


def _event(key: ObjectKey, fact: Fact) -> Event:
    return Event(key, EventType.WARNING, REASONS[fact.kind], fact.message, COMPONENT)

"""What a node tells of a Service that it may announce but cannot, for want of the interfaces that are named."""

from __future__ import annotations

from metalev.decide.speaker import SpeakerDesired
from metalev.decide.words import quoted
from metalev.model.actions import Event, EventType
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.snapshot import Snapshot

COMPONENT = "metallb-speaker"
# The engine's word for it.
_CAUSE = "no-interface"


def refusals(snapshot: Snapshot, node: str, desired: SpeakerDesired) -> frozenset[Event]:
    """MetalLB's ``announceFailed``, to the letter, for every address that this node cannot announce.

    Only where an advertisement names interfaces: a node whose link is down has nothing wrong with its configuration.
    """
    named = {str(group.key): group for group in desired.table.groups if group.interfaces}
    found: set[Event] = set()
    for key, fact in snapshot.unable.items():
        group = named.get(key)
        if group is not None and fact.cause == _CAUSE:
            for name in desired.services_of_group.get(key, ()):
                service = snapshot.services.get(name)
                held = service.status.addresses if service else ()
                found.update(_event(name, str(address), node) for address in held if address in group.addresses)
    return frozenset(found)


def _event(service: Name, address: str, node: str) -> Event:
    message = (
        f"the interfaces specified by LB IP {quoted(address)} doesn't exist in assigned node {quoted(node)} "
        f"with protocol {quoted('layer2')}"
    )
    return Event(ObjectKey(Kind.SERVICE, service), EventType.WARNING, "announceFailed", message, COMPONENT)

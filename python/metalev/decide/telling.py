"""From an address that was decided upon to what is written and told of it."""

from __future__ import annotations

from msgspec.structs import replace

from metalev.decide.misspelt import ANNOTATIONS, misspelt
from metalev.decide.outcome import COMPONENT, CONDITION, Allocation
from metalev.decide.replacing import REPLACED
from metalev.decide.unread import ANNOUNCEABLE
from metalev.model.actions import Action, Event, EventType, RecordEvent, WriteServiceStatus
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.services import Condition, Service, ServiceStatus, by_type

# The conditions beside that of the address, and what is said when what is wrong is over.
_BESIDE = {ANNOUNCEABLE: "a node may announce it again", ANNOTATIONS: "its annotations are all known"}


def actions_for(
    service: Service, allocation: Allocation, announceable: tuple[Condition, ...], replacement: Condition | None
) -> tuple[Action, ...]:
    """Write the status and then tell of it: an event must not speak of a write that failed."""
    # That one address was replaced is remembered for as long as the Service holds any.
    ours = {CONDITION, *_BESIDE, *(() if allocation.addresses else (REPLACED,))}
    foreign = tuple(one for one in service.status.conditions if one.type not in ours)
    own = tuple(one for one in (allocation.trouble, replacement) if one is not None)
    beside = (announceable if allocation.addresses else ()) + (misspelt(service) if allocation.condition else ())
    status = ServiceStatus(allocation.addresses, allocation.pool, by_type(*foreign, *own, *beside))
    if status == service.status:
        return ()
    reason = allocation.condition.message if allocation.condition else f"{service.name} is of type {service.type}"
    news = [one for one in beside if one not in service.status.conditions]
    told = [_event_of(service.name, one) for one in news]
    told += [] if replacement is None else [_warning(service.name, "AddressReplaced", replacement.message)]
    before = (one for one in service.status.conditions if one.type in _BESIDE)
    if replace(status, conditions=by_type(*foreign, *own, *before)) == service.status:
        # Nothing else is new: what there is to tell of the allocation has been told.
        left = {one.type for one in beside}
        over = (_BESIDE[one.type] for one in service.status.conditions if one.type in _BESIDE.keys() - left)
        reason = news[0].message if news else ", and ".join(over)
        return WriteServiceStatus(service, status, reason), *told
    return WriteServiceStatus(service, status, reason), *(RecordEvent(event) for event in allocation.events), *told


def _event_of(service: Name, silence: Condition) -> RecordEvent:
    """The event beside the condition: once for each, and not anew after a restart."""
    return _warning(service, silence.reason, silence.message)


def _warning(service: Name, reason: str, message: str) -> RecordEvent:
    return RecordEvent(Event(ObjectKey(Kind.SERVICE, service), EventType.WARNING, reason, message, COMPONENT))

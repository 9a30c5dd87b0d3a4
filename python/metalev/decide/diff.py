"""From what was applied and what is wanted to what is to be done: nothing, if they are equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from metalev.decide.desired import ControllerDesired
from metalev.decide.moved import moves
from metalev.decide.outcome import COMPONENT as CONTROLLER
from metalev.decide.speaker import SpeakerDesired
from metalev.decide.words import quoted
from metalev.model.actions import (
    Action,
    Configuration,
    Event,
    EventType,
    RecordEvent,
    SetOwnership,
    SpeakerState,
    WriteConfiguration,
    WritePoolStatus,
    WriteSpeakerState,
)
from metalev.model.address import IPAddress
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact, Group, OwnershipTable
from metalev.model.pools import Pool, PoolStatus
from metalev.model.snapshot import source_of

K = TypeVar("K")
V = TypeVar("V")

SPEAKER = "metallb-speaker"
LAYER2 = "layer2"


def table_actions(applied: OwnershipTable | None, desired: OwnershipTable) -> tuple[SetOwnership, ...]:
    """What makes the table ``applied`` (none after a start) into ``desired``."""
    return () if applied == desired else (SetOwnership(desired, _what_changed(applied, desired)),)


def state_actions(
    published: SpeakerState | None, state: SpeakerState, desired: SpeakerDesired, held: Mapping[str, Fact] = {}
) -> tuple[Action, ...]:
    """What people read: ``state`` if it is other than what was ``published`` (nothing after a start), and its news.

    ``held`` are the facts behind what it holds.
    """
    write = () if published == state else (WriteSpeakerState(state, _what_state_changed(published, state)),)
    news = (*_announced(published, state, desired), *moves(published, state, desired, held))
    return (*write, *map(RecordEvent, news))


def controller_actions(
    applied: ControllerDesired,
    desired: ControllerDesired,
    pools: Mapping[Name, Pool],
    written: Mapping[Name, PoolStatus] = {},
) -> tuple[Action, ...]:
    """What makes ``applied`` into ``desired``; ``pools`` are the objects to write to, ``written`` what they say now."""
    actions: list[Action] = []
    for name, status in desired.pool_statuses.items():
        if written.get(name, applied.pool_statuses.get(name)) != status:
            in_use = f"{status.assigned_ipv4} IPv4 and {status.assigned_ipv6} IPv6 addresses are in use"
            resting = f", {len(status.resting)} rest" if status.resting else ""
            actions.append(WritePoolStatus(pools[name], status, in_use + resting))
    for reason, before, now in (
        ("ConfigurationError", applied.pool_problems, desired.pool_problems),
        ("AddressesSkipped", applied.pool_skips, desired.pool_skips),
    ):
        actions.extend(_warning(source_of(pools[name]), reason, text) for name, text in _new(before, now))
    actions.extend(
        _warning(key, "ConfigurationIgnored", why) for key, why in _new(applied.superseded, desired.superseded)
    )
    if desired.configuration is not None:
        actions.extend(configuration_actions(applied.configuration, desired.configuration))
    return tuple(actions)


def configuration_actions(published: Configuration | None, now: Configuration) -> tuple[WriteConfiguration, ...]:
    """What is said of the configuration, if it is other than what was ``published``."""
    return () if published == now else (WriteConfiguration(now, _how_valid(now)),)


def _how_valid(configuration: Configuration) -> str:
    problems = (*configuration.problems, *configuration.pool_problems)
    return f"{len(problems)} problems, the first: {problems[0]}" if problems else "valid"


def _new(before: Mapping[K, V], now: Mapping[K, V]) -> Iterable[tuple[K, V]]:
    """What is other than it was."""
    return ((key, value) for key, value in now.items() if before.get(key) != value)


def _warning(regarding: ObjectKey, reason: str, message: str) -> RecordEvent:
    return RecordEvent(Event(regarding, EventType.WARNING, reason, message, CONTROLLER))


def _announced(before: SpeakerState | None, now: SpeakerState, desired: SpeakerDesired) -> Iterator[Event]:
    """One ``nodeAssigned`` per Service that this node has begun to announce.

    MetalLB repeats it on every reconcile, which hides the one that tells of a change.
    """
    known = {(one.group, one.term, name) for one in (before.holdings if before else ()) for name in one.services}
    message = f"announcing from node {quoted(now.name.name)} with protocol {quoted(LAYER2)}"
    for holding in now.holdings:
        for name in desired.services_of_group.get(holding.group, ()):
            if (holding.group, holding.term, str(name)) not in known:
                yield Event(_service(name), EventType.NORMAL, "nodeAssigned", message, SPEAKER)


def _what_changed(before: OwnershipTable | None, now: OwnershipTable) -> str:
    if before is None:
        kept = sum(not group.candidates for group in now.groups)
        more = f", {kept} groups without a candidate" if kept else ""
        return f"first table: {len(now.groups) - kept} groups, {len(now.peers)} peers{more}"
    fields = {"peers": "peers", "keys": "keys", "silence": "the silence of a drill"}
    parts = [f"{name} changed" for field, name in fields.items() if getattr(before, field) != getattr(now, field)]
    old, new = _only_in(before.groups, now.groups), _only_in(now.groups, before.groups)
    parts += _named("added", [str(key) for key in new if key not in old])
    parts += _named("removed", [str(key) for key in old if key not in new])
    parts += _named("changed", [str(key) for key, group in new.items() if key in old and old[key] != group])
    # It changes with almost everything else.
    return "; ".join(parts) or "what is probed changed"


def _only_in(groups: Iterable[Group], others: Iterable[Group]) -> dict[IPAddress, Group]:
    """The groups that are no object of ``others``, by their key: what did not change is the same object in both."""
    known = set(map(id, others))
    return {group.key: group for group in groups if id(group) not in known}


def _what_state_changed(before: SpeakerState | None, now: SpeakerState) -> str:
    if before is None:
        return "first report"
    fields = (name for name in now.__struct_fields__ if getattr(before, name) != getattr(now, name))
    return f"changed: {', '.join(fields)}"


def _named(verb: str, keys: Iterable[str]) -> list[str]:
    """``verb`` with the first few keys: a reason is for reading."""
    listed = list(keys)
    if not listed:
        return []
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return [f"{verb} {', '.join(listed[:3])}{more}"]


def _service(name: Name) -> ObjectKey:
    return ObjectKey(Kind.SERVICE, name)

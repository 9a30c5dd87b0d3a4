"""The speaker's reconcile: the whole table to the engine if it differs, and what the engine holds to the cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from metalev.adapters.metrics import Announced, Figures
from metalev.decide.desired import configuration_of
from metalev.decide.diff import configuration_actions, state_actions, table_actions
from metalev.decide.drills import drilled
from metalev.decide.refusals import refusals
from metalev.decide.speaker import SpeakerDecider, SpeakerDesired, speaker_state
from metalev.decide.troubles import ending, trouble_events
from metalev.decide.witnessing import witness_events
from metalev.model.actions import (
    Action,
    Configuration,
    Event,
    RecordEvent,
    SetOwnership,
    SpeakerState,
    WriteConfiguration,
    WriteSpeakerState,
)
from metalev.model.cluster import BEACON_SECRET, BeaconKey
from metalev.model.errors import StaleWrite, StartError, Unavailable
from metalev.model.meta import Name
from metalev.model.ownership import Fact, OwnershipTable, Preempt, Probe
from metalev.model.snapshot import Snapshot
from metalev.ports.clock import Clock
from metalev.ports.ownership import Counters
from metalev.runtime.effects import Effects
from metalev.runtime.outcome import After, Done, Later, Outcome, Retry
from metalev.runtime.store import Applied
from metalev.speaker.drillclock import DrillClock

# The engine must not wait for a cluster that takes its time to hear of the state: two names.
TABLE: Final = "table"
STATE: Final = "state"
# Seconds between two writes of the own state: a takeover of a thousand groups is a few writes, not a thousand.
STATE_PAUSE = 0.3
# How much longer the pause is than what a write took: with thousands of addresses it takes a good part of a second, and
# everybody reads it.
STATE_PAUSE_PER_SECOND = 5.0

# Seconds after which the state is published again though it is the same: somebody may have removed it.
STATE_REFRESH = 60.0

log = logging.getLogger("metalev.speaker")


class SpeakerReconciler:
    """Wires ``decide`` to the engine and the cluster, for one node."""

    def __init__(
        self,
        effects: Effects,
        clock: Clock,
        node: str,
        *,
        key_secret: str = BEACON_SECRET,
        fallback_keys: Sequence[BeaconKey] = (),
        lb_class: str | None = None,
        ignore_exclude_lb: bool = False,
        preempt: Preempt = Preempt.STICKY,
        probe: Probe = Probe.AHEAD,
    ) -> None:
        """``fallback_keys`` count until the Secret has keys; ``key_secret`` names it to people; see ``decide``."""
        self._effects = effects
        self._clock = clock
        self._node = node
        self._key_secret = key_secret
        self._decider = SpeakerDecider(
            node, fallback_keys, lb_class, ignore_exclude_lb=ignore_exclude_lb, preempt=preempt, probe=probe
        )
        self._since_of: dict[Fact, int] = {}
        self._decided_on: tuple[object, ...] = ()
        self._drills = DrillClock()
        self._desired = SpeakerDesired()
        self._table: OwnershipTable | None = None
        self._published: SpeakerState | None = None
        self._configuration: Configuration | None = None
        self._refused: frozenset[Event] = frozenset()
        self._ends: dict[Event, Event] = {}
        self._state_at = float("-inf")
        self._state_pause = STATE_PAUSE
        self._problem = ""
        self._bereft = False

    def not_ready(self) -> str:
        """Why the engine has no table yet, or nothing once it has one; any thread may ask."""
        if self._table is not None:
            return ""
        return self._problem or "not all listed yet"

    def affected(self, applied: Applied) -> Iterable[str]:
        """Everything, once what is absent is known to be absent."""
        return [TABLE, STATE] if applied.after.synced and applied.changed else []

    def reconcile(self, name: str, snapshot: Snapshot) -> Outcome | Later:
        """See ``Reconciler``. Raises ``StartError`` for a node that the cluster does not have."""
        self._decide(snapshot)
        if name == TABLE:
            return self._hand_over(snapshot)
        rest = self._state_at + self._state_pause - self._clock.now()
        current = frozenset(snapshot.conflicts.values())
        self._since_of = {fact: at for fact, at in self._since_of.items() if fact in current}
        state = speaker_state(snapshot, self._node, self._desired, self._since)
        if self._problem:
            state = replace(state, problems=(*state.problems, self._problem))
        due = self._published is not None and self._state_at + STATE_REFRESH <= self._clock.now()
        actions = (
            *(state_actions(self._published, state, self._desired, snapshot.held) or _again(state, due=due)),
            *configuration_actions(self._configuration, configuration_of(snapshot)),
            *self._new_refusals(snapshot),
        )
        if actions and rest > 0:
            return After(rest)
        return Later(partial(self._publish, actions))

    def woken(self) -> Iterable[str]:
        """Nobody: what concerns the one concerns the other."""
        return ()

    def hurry(self) -> None:
        """Let the next write of the state wait for nothing: the program ends."""
        self._state_at = float("-inf")

    def figures(self, snapshot: Snapshot, counters: Counters) -> Figures:
        """What ``/metrics`` shows; any thread may ask."""
        return Figures(
            config_loaded=snapshot.synced,
            config_stale=bool(snapshot.problems),
            announced=tuple(sorted(_announced(snapshot, self._desired, self._node))),
            moved=self._moved(snapshot),
            conflicts=tuple(sorted((address, fact.mac) for address, fact in snapshot.conflicts.items())),
            engine=counters,
        )

    def _moved(self, snapshot: Snapshot) -> tuple[tuple[str, float], ...]:
        """Each address that is held, and the time of day (Unix time) at which it came to this node."""
        ahead = self._clock.wall().timestamp() - self._clock.now()
        return tuple((str(address), fact.at + ahead) for fact in snapshot.held.values() for address in fact.addresses)

    def _hand_over(self, snapshot: Snapshot) -> Outcome:
        """The table to the engine, and again when the next drill is over."""
        now = self._clock.now()
        drills = self._drills.running(snapshot.drills, now)
        for action in table_actions(self._table, drilled(self._desired.table, drills, self._node)):
            self._set(action)
        over_in = self._drills.over_in(drills, now)
        return Done() if over_in is None else After(over_in)

    def _since(self, fact: Fact) -> int:
        """When a fact was, in Unix time; always the same for one fact, however the clock is set meanwhile."""
        at = int(self._clock.wall().timestamp() - (self._clock.now() - fact.at))
        return self._since_of.setdefault(fact, at)

    def _decide(self, snapshot: Snapshot) -> None:
        """Work out what is wanted, unless nothing that it depends on has changed."""
        world = (
            *(snapshot.services, snapshot.endpoints, snapshot.nodes),
            *(snapshot.pools, snapshot.l2_advertisements, snapshot.secrets, snapshot.speaker_pods),
            *(snapshot.conflicts, snapshot.file_keys),
            bool(snapshot.problems),  # a mistake may hide a pool: an address of it is announced all the same
        )
        if self._decided_on and all(one is other for one, other in zip(world, self._decided_on, strict=True)):
            return
        if not self._decided_on:
            _check_node(self._node, snapshot)
        self._decided_on = world
        self._desired = self._with_keys(self._decider.desired(snapshot))

    def _with_keys(self, desired: SpeakerDesired) -> SpeakerDesired:
        """``desired``, under the last keys there were if there are none now."""
        if desired.table.keys or self._table is not None:
            self._problem = ""
        if desired.table.keys:
            if self._bereft:
                log.info("over: the Secret %s has a key again", self._key_secret)
            self._bereft = False
            return desired
        if self._table is not None:
            if not self._bereft:
                log.warning("the Secret %s has no key any more; the last one stays in force", self._key_secret)
            self._bereft = True
            return replace(desired, table=replace(desired.table, keys=self._table.keys))
        if not self._problem:
            self._problem = (
                "no key to sign beacons with, so nothing is announced: create the Secret "
                f"{self._key_secret} (stringData.key from: openssl rand -base64 32), or give every speaker "
                "the same --key-file"
            )
            log.warning("%s", self._problem)
        return desired

    def _new_refusals(self, snapshot: Snapshot) -> Iterator[RecordEvent]:
        """What was not told yet, also that something is over; what holds no longer may be told again."""
        now = (
            refusals(snapshot, self._node, self._desired)
            | witness_events(snapshot, self._desired)
            | trouble_events(snapshot, self._node, self._desired)
        )
        ends = {end: told for told in self._refused - now if (end := ending(told, snapshot)) is not None}
        # What has an end is remembered until that is told.
        self._refused = (self._refused & now) | frozenset(ends.values())
        self._ends = ends
        news = sorted((now - self._refused) | frozenset(ends), key=lambda one: (one.regarding, one.message))
        return map(RecordEvent, news)

    def _set(self, action: SetOwnership) -> None:
        if action.table.keys:
            silence = action.table.silence
            if silence and not (self._table and self._table.silence == silence):
                log.warning("drill %s: silent for %g s, as if this node had died", silence.id, silence.seconds)
            self._effects.carry_out(action)
            self._table = action.table

    def _publish(self, actions: Sequence[Action]) -> Outcome:
        """The state and the events that go with it; what was not told is told the next time."""
        try:
            for action in actions:
                began = self._clock.now()
                self._effects.carry_out(action)
                if isinstance(action, WriteSpeakerState):
                    self._published = action.state
                    self._state_at = self._clock.now()
                    self._state_pause = max(STATE_PAUSE, STATE_PAUSE_PER_SECOND * (self._state_at - began))
                elif isinstance(action, WriteConfiguration):
                    self._configuration = action.configuration
                elif isinstance(action, RecordEvent):
                    self._refused = (self._refused | {action.event}) - {self._ends.get(action.event)}
            self._effects.flush()
        except StaleWrite as error:
            return Retry(str(error))
        except Unavailable as error:
            return Retry(str(error), error.told)
        return After(STATE_REFRESH)


def _again(state: SpeakerState, *, due: bool) -> tuple[Action, ...]:
    return (WriteSpeakerState(state, "as before, in case that somebody removed it"),) if due else ()


def _check_node(node: str, snapshot: Snapshot) -> None:
    if Name("", node) not in snapshot.nodes:
        known = ", ".join(sorted(name.name for name in snapshot.nodes)) or "none"
        raise StartError(f"no Node is named {node}; there are: {known}. Choose one with --node-name")


def _announced(snapshot: Snapshot, desired: SpeakerDesired, node: str) -> Iterator[Announced]:
    for key, fact in snapshot.held.items():
        held = frozenset(fact.addresses)
        for name in desired.services_of_group.get(key, ()):
            service = snapshot.services.get(name)
            for address in service.status.addresses if service else ():
                if address in held:
                    yield Announced(str(name), str(address), node)

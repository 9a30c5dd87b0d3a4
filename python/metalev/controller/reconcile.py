"""The controller's reconcile: addresses for one Service at a time, and what is said of all of them together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import Final

from metalev.adapters.metrics import Figures
from metalev.decide.contest import report
from metalev.decide.controller import REST_SECONDS, ControllerDecider
from metalev.decide.desired import ControllerDesired
from metalev.decide.diff import controller_actions
from metalev.model.actions import Action, CreateBeaconKey, ReportContest, WritePoolStatus, WriteServiceStatus
from metalev.model.address import IPAddress
from metalev.model.cluster import BeaconKey
from metalev.model.errors import StaleWrite, StartError, Unavailable
from metalev.model.meta import Kind, Name
from metalev.model.pools import PoolStatus
from metalev.model.snapshot import Snapshot
from metalev.ports.clock import Clock
from metalev.runtime.effects import Effects
from metalev.runtime.outcome import After, Done, Later, Outcome, Retry
from metalev.runtime.store import Applied

# What is said of the pools and of addresses that nobody may announce: one name for all of it. No object has this one.
OVERVIEW: Final = Name("", "pools and groups")
# Seconds between two looks at everything while many Services change.
OVERVIEW_PAUSE = 0.25
# The pause is at least so many times as long as the look took: among thousands it must not hold up the addresses.
OVERVIEW_PAUSE_RATIO = 9.0

log = logging.getLogger("metalev.controller")


class ControllerReconciler:
    """Wires ``decide`` to the cluster; names are those of Services, and ``OVERVIEW``."""

    def __init__(
        self,
        effects: Effects,
        clock: Clock,
        lb_class: str | None = None,
        rest_seconds: float = REST_SECONDS,
        *,
        ignore_exclude_lb: bool = False,
        new_key: Callable[[], BeaconKey] | None = None,
        allocated: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """``lb_class`` is the one ``loadBalancerClass`` to serve; ``None`` serves the Services that name none.

        A released address rests for ``rest_seconds`` before somebody else gets it. ``ignore_exclude_lb`` is what the
        speakers are told, too: the controller says which addresses nobody may announce. ``new_key`` makes a key for
        the beacons where there is none; without it, that is the user's to do. ``allocated`` is told, by any thread,
        for how many seconds a Service was without the address that it got.
        """
        self._effects = effects
        self._new_key = new_key
        self._last_key: BeaconKey | None = None
        self._allocated = allocated
        self._without_since: dict[Name, float] = {}
        self._clock = clock
        self._new_decider = partial(ControllerDecider, lb_class, rest_seconds, ignore_exclude_lb=ignore_exclude_lb)
        self._decider = self._new_decider()
        self._desired = self._applied = ControllerDesired()
        self._overview_next = float("-inf")
        self._overview_of: tuple[object, ...] = ()
        self._wrote: SimpleQueue[tuple[Name, tuple[IPAddress, ...]]] = SimpleQueue()

    def affected(self, applied: Applied) -> Iterable[Name]:
        """The Services that changed, then the overview: the order in which a restart finds its way, too."""
        for secret in applied.after.secrets.values():
            self._last_key = next(iter(secret.keys), self._last_key)
        if not _at_work(applied.after):
            return []
        if not _at_work(applied.before):
            self._begin()
            self._note_pending(applied.after.services, applied.after)
            return [*sorted(applied.after.services), OVERVIEW]
        names = sorted(key.name for key in applied.touched if key.kind is Kind.SERVICE)
        self._note_pending(names, applied.after)
        return [*names, OVERVIEW] if applied.changed and not self._is_echo(applied) else names

    def reconcile(self, name: Name, snapshot: Snapshot) -> Outcome | Later:
        """See ``Reconciler``. A stale write means that the newer object is on its way: the shortest backoff."""
        if not _at_work(snapshot):
            return Done()
        if name == OVERVIEW:
            return self._overview(snapshot)
        self._take_in_writes()
        now = self._wall()
        actions = self._decider.service(snapshot, name, now)
        rest = self._decider.contests.rest(name, now)
        return Later(partial(self._carry_out, actions, Done() if rest is None else After(rest)))

    def woken(self) -> Iterable[Name]:
        """Who waits for an address and may get one now."""
        return self._decider.due()

    def finish(self, snapshot: Snapshot) -> None:
        """Write what has not been said of the pools yet: an address that was released a moment ago is to rest.

        Call it when the loop has ended; what cannot be written is left.
        """
        if not _at_work(snapshot):
            return
        desired = self._decider.desired(snapshot, self._wall())
        actions = controller_actions(self._applied, desired, snapshot.pools, snapshot.pool_statuses)
        try:
            outcome = self._carry_out([one for one in actions if isinstance(one, WritePoolStatus)], Done())
        except StartError as error:  # the right to write is gone: somebody else has it, and writes
            outcome = Retry(str(error))
        if isinstance(outcome, Retry):
            log.warning("what rests is not written whole: %s", outcome.reason)

    def figures(self, snapshot: Snapshot) -> Figures:
        """What ``/metrics`` shows; any thread may ask."""
        return Figures(
            config_loaded=snapshot.synced,
            config_stale=bool(snapshot.problems or self._desired.pool_problems),
            pools=_by_pool(self._desired.pool_statuses),
            allocated=Counter(one.status.pool for one in snapshot.services.values() if one.status.addresses),
            pending=len(self._decider.waiting),
            leads=_at_work(snapshot),
        )

    def _beacon_key(self, new_key: Callable[[], BeaconKey]) -> CreateBeaconKey:
        """The key that there was, if the Secret is gone: a speaker that hears nothing of it signs with that one."""
        if self._last_key is not None:
            return CreateBeaconKey(self._last_key, "made the Secret of the beacons again, with the same key")
        return CreateBeaconKey(new_key(), "made a key for the beacons, which had none")

    def _begin(self) -> None:
        """Know nothing of before: while another controller was at work, it decided."""
        self._decider = self._new_decider()
        self._desired = self._applied = ControllerDesired()
        self._overview_next, self._overview_of = float("-inf"), ()

    def _carry_out(self, actions: Sequence[Action], outcome: Outcome) -> Outcome:
        try:
            for action in chain.from_iterable(map(self._named, actions)):
                self._effects.carry_out(action)
                if isinstance(action, WriteServiceStatus):
                    self._wrote.put((action.service.name, action.status.addresses))
                    if action.status.addresses:
                        self._note_allocated(action.service.name)
            self._effects.flush()
        except StaleWrite as error:
            return Retry(str(error))
        except Unavailable as error:
            return Retry(str(error), error.told)
        return outcome

    def _note_pending(self, names: Iterable[Name], snapshot: Snapshot) -> None:
        """Remember since when each of ``names`` is without an address."""
        now = self._clock.now()
        for name in names:
            service = snapshot.services.get(name)
            if service is not None and service.wants_address and not service.status.addresses:
                self._without_since.setdefault(name, now)
            else:
                self._without_since.pop(name, None)

    def _note_allocated(self, name: Name) -> None:
        since = self._without_since.pop(name, None)
        if since is not None:
            self._allocated(self._clock.now() - since)

    def _named(self, action: Action) -> Sequence[Action]:
        """The action itself; where somebody else writes the same status, what there is to say once it is known who."""
        if not isinstance(action, ReportContest):
            return (action,)
        return report(action.service, self._effects.status_writer(action.service))

    def _take_in_writes(self) -> None:
        """Let the decider know what has been written since; who wrote it was any thread."""
        while not self._wrote.empty():
            self._decider.contests.wrote(*self._wrote.get())

    def _overview(self, snapshot: Snapshot) -> Outcome | Later:
        """Look at everything: at once when what concerns everybody changed, else not too often."""
        world = (
            *(snapshot.pools, snapshot.namespaces, snapshot.l2_advertisements),
            *(snapshot.nodes, snapshot.speaker_pods, snapshot.secrets),
        )
        now = self._clock.now()
        rest = self._overview_next - now
        settled = self._applied is self._desired
        if settled and rest > 0 and all(one is other for one, other in zip(world, self._overview_of, strict=True)):
            return After(rest)
        self._overview_of = world
        self._desired = self._decider.desired(snapshot, self._wall())
        ended = self._clock.now()
        self._overview_next = max(now + OVERVIEW_PAUSE, ended + OVERVIEW_PAUSE_RATIO * (ended - now))
        actions = controller_actions(self._applied, self._desired, snapshot.pools, snapshot.pool_statuses)
        if self._new_key is not None and not snapshot.secrets:
            actions = (self._beacon_key(self._new_key), *actions)
        end = self._decider.next_end(self._wall())
        again = Done() if end is None else After(max(end - self._wall(), OVERVIEW_PAUSE))
        return Later(partial(self._tell, tuple(actions), self._desired, again))

    def _tell(self, actions: Sequence[Action], desired: ControllerDesired, again: Outcome) -> Outcome:
        """Carry out what makes the one before into ``desired``; what fails is found missing the next time."""
        outcome = self._carry_out(actions, again)
        if outcome is again:
            self._applied = desired
        return outcome

    def _is_echo(self, applied: Applied) -> bool:
        """Whether all that changed is that this program's own pool statuses have been seen to be written."""
        before, after = applied.before, applied.after
        others = (field for field in after.__struct_fields__ if field != "pool_statuses")
        if any(getattr(before, field) is not getattr(after, field) for field in others):
            return False
        return all(self._applied.pool_statuses.get(name) == one for name, one in after.pool_statuses.items())

    def _wall(self) -> float:
        """Seconds since 1970."""
        return self._clock.wall().timestamp()


def _at_work(snapshot: Snapshot) -> bool:
    return snapshot.synced and not snapshot.standby


def _by_pool(statuses: Mapping[Name, PoolStatus]) -> Mapping[str, PoolStatus]:
    return {name.name: status for name, status in statuses.items()}

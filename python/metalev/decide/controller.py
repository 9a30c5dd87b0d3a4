"""What the controller should do: for one Service at a time, and for the pools as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from math import ceil

from msgspec import Struct

from metalev.decide.allocation import decide_addresses
from metalev.decide.contest import Contests, Verdict, asked
from metalev.decide.desired import ControllerDesired, configuration_of
from metalev.decide.keepback import addresses_in_use, clean_addresses, conflicts, skipped
from metalev.decide.ledger import ALONE, Ledger
from metalev.decide.legacy import superseded
from metalev.decide.living import living_speakers
from metalev.decide.newcomers import Newcomers
from metalev.decide.outcome import Allocation
from metalev.decide.precedence import announced_services, precedence
from metalev.decide.replacing import Givings, replaced, to_replace
from metalev.decide.sharing import Terms, terms_of
from metalev.decide.silences import Silences
from metalev.decide.telling import actions_for
from metalev.decide.turns import Turns
from metalev.decide.waiting import Waiting
from metalev.model.actions import (
    Action,
    ReportContest,
    WriteServiceStatus,
)
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.pools import Resting
from metalev.model.services import Condition, Service, ServiceStatus
from metalev.model.snapshot import Snapshot

REST_SECONDS = 60.0
"""How long a released address rests: what neighbours remember of it (ARP) has mostly expired then."""


class _Awaited(Struct, frozen=True):
    """The status that a write brings to a Service, and what the Service asked for when that was decided."""

    asked: Service
    status: ServiceStatus


class ControllerDecider:
    """Gives Services their addresses, one Service per call, and remembers who holds what and who waits.

    All of it comes from the snapshots: a new decider that sees the same snapshot decides the same. Before the first
    complete snapshot it decides nothing, for what is absent from an incomplete one may still be there.

    ``now`` is in seconds since 1970, for the rests of released addresses go on while no controller runs.
    """

    def __init__(
        self, lb_class: str | None = None, rest_seconds: float = REST_SECONDS, *, ignore_exclude_lb: bool = False
    ) -> None:
        self.ledger = Ledger()
        self.waiting = Waiting()
        """Those without an address."""
        self.wanting = Waiting()
        """Those with an address who want another or one more."""
        self.contests = Contests()
        self._turns = Turns((self.waiting, self.wanting), self.ledger.opening)
        self._lb_class = lb_class
        self._rest_seconds = rest_seconds
        self._last = Snapshot()
        self._local: Mapping[Name, tuple[object, ...]] = {}
        self._in_use: Mapping[IPAddress, str] = {}
        self._conflicts: Mapping[IPAddress, frozenset[str]] = {}
        self._givings = Givings()
        self._due: dict[Name, None] = {}
        self._awaited: dict[Name, _Awaited] = {}
        self._newcomers = Newcomers()
        self._silences = Silences(self.ledger, self._newcomers, lb_class, ignore_exclude_lb=ignore_exclude_lb)

    def service(self, snapshot: Snapshot, name: Name, now: float = 0.0) -> tuple[Action, ...]:
        """What is to be done about the Service ``name``, which need not exist any more; nothing if all is well."""
        if not self._look(snapshot, now):
            return ()
        tried = self._turns.looks(name)
        try:
            return self._decide(snapshot, name, now)
        finally:
            self._wake(self._turns.pass_on(name, tried, self.ledger.addresses_of(name)))

    def _decide(self, snapshot: Snapshot, name: Name, now: float) -> tuple[Action, ...]:
        service = snapshot.services.get(name)
        if service is None:
            self._let_go(name, now)
            return ()
        if service.hidden:
            self._hold(name, service.status.addresses, terms_of(service), now)
            return ()
        if service.wants_address and not self._serves(service):
            self._let_go(name, now)  # what its status shows was given by somebody else, and is none of our books
            return ()
        terms = terms_of(service)
        if self._serves(service):
            verdict = self.contests.look(service, now)
            if verdict is not Verdict.OURS:
                return self._leave(service, verdict, now)
            if self._is_awaited(service):
                self._hold(name, service.status.addresses, terms, now)
                return ()
            self._settle(service, terms, snapshot)
        else:
            self.contests.forget(name)
        self._hold(name, service.status.addresses, terms, now)
        allocation, replacement = self._allocate(service, snapshot, now)
        self._enter(name, allocation, terms, now)
        actions = actions_for(
            service, allocation, self._silences.conditions(service, snapshot, allocation, now), replacement
        )
        if actions:
            self.contests.means(name, allocation.addresses)
            self._await(service, allocation, actions)
        return actions

    def _allocate(self, service: Service, snapshot: Snapshot, now: float) -> tuple[Allocation, Condition | None]:
        """What it shall hold; if that replaces what somebody else has, with the condition that says so."""

        def decide(give_up: frozenset[IPAddress]) -> Allocation:
            books, unread = self.ledger, snapshot.problems
            return decide_addresses(
                service, books, snapshot.namespaces, lb_class=self._lb_class, unread=unread, give_up=give_up
            )

        give_up = to_replace(service, self._conflicts, self._givings, self.ledger, now)
        if give_up:
            allocation = decide(give_up)
            if len(allocation.addresses) == len(service.status.addresses):
                new = tuple(one for one in allocation.addresses if one not in service.status.addresses)
                return allocation, replaced(give_up, new, self.ledger)
        return decide(frozenset()), None

    def due(self) -> tuple[Name, ...]:
        """The Services to look at again since the last call, for what was decided about others concerns them."""
        due, self._due = tuple(self._due), {}
        return due

    def desired(self, snapshot: Snapshot, now: float = 0.0) -> ControllerDesired:
        """What to say of the pools, and of the addresses that no node may announce."""
        if not self._look(snapshot, now):
            return ControllerDesired()
        statuses = {name: self.ledger.counts(name.name) for name in snapshot.pools if name.name in self.ledger.pools}
        unannounced = self._silences.look(snapshot, now)
        self._wake(self._silences.news(unannounced.values(), snapshot))
        problems = self.ledger.problems
        return ControllerDesired(
            statuses, problems, self._skips(), unannounced, superseded(snapshot), configuration_of(snapshot, problems)
        )

    def next_end(self, now: float) -> float | None:
        """When there is something to say of the pools though nothing changes, in seconds since 1970.

        The next rest of an address ends, or it is time to miss an advertisement of a new pool.
        """
        ends = (self.ledger.next_rest_end(), self._newcomers.next_end(now))
        return min((one for one in ends if one is not None), default=None)

    # --- What concerns everybody ---

    def _look(self, snapshot: Snapshot, now: float) -> bool:
        """Take in what concerns every Service; tells whether the snapshot is complete enough to decide by."""
        if not snapshot.synced:
            return False
        last, self._last = self._last, snapshot
        if not last.synced:
            self._newcomers.begin([one.name for one in snapshot.pools])
            self._adopt(snapshot, now)
        pools_changed = snapshot.pools is not last.pools and self.ledger.set_pools(snapshot.pools.values())
        if pools_changed:
            self._newcomers.take(self.ledger.pools, now)
        if pools_changed:
            self._wake(self.ledger.services())  # a pool that shrank takes addresses away, one that grew has more
        if pools_changed or snapshot.namespaces is not last.namespaces:
            self._turns.forget()
            self._wake((*self.waiting.in_order(), *self.wanting.in_order()))
        if snapshot.problems is not last.problems:
            self._look_at_strays()
        seen, before = ((one.nodes, one.speakers, one.speaker_pods) for one in (snapshot, last))
        if any(one is not other for one, other in zip(seen, before, strict=True)):
            self._keep_back(snapshot, nodes_changed=snapshot.nodes is not last.nodes)
        self.ledger.end_rests(now)  # nobody waits for that: where nothing else is free, what rests is given
        return True

    def _adopt(self, snapshot: Snapshot, now: float) -> None:
        """Let everybody hold what they held before this program started, before anything is given away.

        Of two who hold the same and do not share it, the one keeps it that a speaker announces, else the older one.
        """
        announced = announced_services(snapshot.speakers.values())
        for service in sorted(snapshot.services.values(), key=partial(precedence, announced)):
            if service.hidden or service.load_balancer_class == self._lb_class:
                self.ledger.hold(service.name, service.status.addresses, terms_of(service))
        latest = ceil(now + self._rest_seconds)  # the clock may have been set back, or the option changed
        written = (resting for status in snapshot.pool_statuses.values() for resting in status.resting)
        for resting in sorted(written, key=lambda one: one.until):  # of a pool renamed twice, the last word counts
            if min(resting.until, latest) > now:
                self.ledger.rest(Resting(resting.address, resting.service, min(resting.until, latest)))

    def _look_at_strays(self) -> None:
        """Have those looked at whose address, or want of one, is judged by whether everything can be read."""
        pool_of = self.ledger.pool_of
        for name in self.ledger.services():
            if any(pool_of(address) is None for address in self.ledger.addresses_of(name)):
                self._wake((name,))
        if not self.ledger.pools:
            self._wake(self.waiting.in_order())

    def _keep_back(self, snapshot: Snapshot, *, nodes_changed: bool) -> None:
        """Keep the addresses of nodes, their interfaces and their routers from being handed out."""
        living = living_speakers(snapshot.nodes, snapshot.speakers, snapshot.speaker_pods.values())
        self.ledger.prefer(clean_addresses(living))
        told = {one.name: one.conflicts for one in living}
        local = {
            name: (one.local_addresses, one.gateways, told.get(name, ())) for name, one in snapshot.speakers.items()
        }
        if not nodes_changed and local == self._local:
            return
        self._conflicts = conflicts(living)
        self._local, self._in_use = local, addresses_in_use(snapshot.nodes, snapshot.speakers, living)
        changed = self.ledger.bar(self._in_use)
        self._wake(dict.fromkeys(name for address in changed for name in self.ledger.holders(address)))
        self._offer(address for address in changed if address not in self._in_use)

    def _skips(self) -> Mapping[Name, str]:
        pools = self.ledger.barred_in_pools()
        return {self.ledger.pools[one].name: skipped(one, found, self._in_use) for one, found in pools.items()}

    # --- Who holds what, and who is woken by that ---

    def _settle(self, service: Service, terms: Terms, snapshot: Snapshot) -> None:
        """Decide who keeps an address that a status shows all of a sudden, though somebody else has it.

        A write that was long on its way, of a controller that led before this one, makes such a double; and whether a
        Service that could not be read agrees with those beside it shows only now.
        """
        held = () if self.ledger.is_unread(service.name) else self.ledger.addresses_of(service.name)
        for address in service.status.addresses:
            if address in held or not self.ledger.refusal(service.name, terms, address):
                continue
            announced = announced_services(snapshot.speakers.values())
            rivals = (snapshot.services.get(name) for name in self.ledger.rivals(terms, address))
            ours = precedence(announced, service)
            if all(rival is None or ours < precedence(announced, rival) for rival in rivals):
                self._wake(self.ledger.put_first(service.name, terms, address))

    def _enter(self, name: Name, allocation: Allocation, terms: Terms, now: float) -> None:
        """Enter a decision; what the status still shows stays held until the write has been seen to succeed."""
        shown = self.ledger.addresses_of(name)
        for address in allocation.addresses:
            if address not in shown:
                self._givings.gave(name, address, now)
        self._hold(name, tuple(dict.fromkeys((*allocation.addresses, *shown))), terms, now)
        holds = bool(allocation.addresses)
        for queue, concerned in ((self.waiting, not holds), (self.wanting, holds)):
            if concerned and allocation.want is not None:
                queue.add(name, allocation.want)
            else:
                queue.discard(name)

    def _leave(self, service: Service, verdict: Verdict, now: float) -> tuple[Action, ...]:
        """Leave it to somebody else who keeps writing its status: what that shows is held, nothing is waited for."""
        self._hold(service.name, service.status.addresses, terms_of(service), now)
        self.waiting.discard(service.name)
        self.wanting.discard(service.name)
        if verdict is Verdict.LEFT:
            return ()
        return (ReportContest(service, "somebody else keeps writing its status"),)

    def _await(self, service: Service, allocation: Allocation, actions: tuple[Action, ...]) -> None:
        """Remember what is about to be written, if it leaves nothing to be wished for."""
        for action in actions:
            if isinstance(action, WriteServiceStatus) and allocation.addresses and allocation.want is None:
                self._awaited[service.name] = _Awaited(asked(service), action.status)

    def _is_awaited(self, service: Service) -> bool:
        """Whether this is what was written, and as it was decided upon, so that there is nothing to decide.

        Each write comes back as a change. Whoever is looked at for another reason, too, has been woken.
        """
        awaited = self._awaited.pop(service.name, None)
        return awaited is not None and service.status == awaited.status and asked(service) == awaited.asked

    def _serves(self, service: Service) -> bool:
        return service.wants_address and service.load_balancer_class == self._lb_class

    def _let_go(self, name: Name, now: float) -> None:
        self.contests.forget(name)
        self._awaited.pop(name, None)
        self._hold(name, (), ALONE, now)
        self.waiting.discard(name)
        self.wanting.discard(name)

    def _hold(self, name: Name, addresses: tuple[IPAddress, ...], terms: Terms, now: float) -> None:
        released = self.ledger.hold(name, addresses, terms)
        if self._rest_seconds > 0:
            until = ceil(now + self._rest_seconds)
            for address in released:
                self.ledger.rest(Resting(address, name, until))
        self._offer(released)

    def _offer(self, addresses: Iterable[IPAddress]) -> None:
        """Wake one for each of ``addresses``, of those whom it can help."""
        self._wake(self._turns.offer(addresses))

    def _wake(self, names: Iterable[Name]) -> None:
        for name in names:
            self._due[name] = None
            self._awaited.pop(name, None)

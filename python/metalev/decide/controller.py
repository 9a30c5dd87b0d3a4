"""What the controller should do: for one Service at a time, and for the pools as a whole."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from metalev.decide.allocation import CONDITION, Allocation, Outcome, decide_addresses
from metalev.decide.announcements import Announcements
from metalev.decide.groups import Groups
from metalev.decide.ledger import Ledger
from metalev.decide.waiting import Waiting
from metalev.model.actions import Action, RecordEvent, WriteServiceStatus
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.pools import PoolStatus
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import Snapshot


class Unannounced(Struct, frozen=True):
    """Addresses that no node may announce, the Services that hold them, and why."""

    addresses: tuple[IPAddress, ...]
    services: tuple[Name, ...]
    why: str


class ControllerDesired(Struct, frozen=True):
    """What the controller says besides the Services' statuses: of pools by name, of groups by their key as text."""

    pool_statuses: Mapping[Name, PoolStatus] = {}
    pool_problems: Mapping[Name, str] = {}
    unannounced: Mapping[str, Unannounced] = {}


class ControllerDecider:
    """Gives Services their addresses, one Service per call, and remembers who holds what and who waits.

    All of it comes from the snapshots: a new decider that sees the same snapshot decides the same. Before the first
    complete snapshot it decides nothing, for what is absent from an incomplete one may still be there.
    """

    def __init__(self, lb_class: str | None = None) -> None:
        self.ledger = Ledger()
        self.waiting = Waiting()
        self._lb_class = lb_class
        self._last = Snapshot()
        self._due: dict[Name, None] = {}
        self._announcements = Announcements("", lb_class)
        self._groups = Groups()

    def service(self, snapshot: Snapshot, name: Name) -> tuple[Action, ...]:
        """What is to be done about the Service ``name``, which need not exist any more; nothing if all is well."""
        if not self._look(snapshot):
            return ()
        service = snapshot.services.get(name)
        if service is None:
            self._let_go(name)
            return ()
        self._hold(name, service.status.addresses)
        allocation = decide_addresses(service, self.ledger, snapshot.namespaces, lb_class=self._lb_class)
        if allocation.outcome is Outcome.NOT_OURS:
            self._let_go(name)
            return ()
        self._enter(service, allocation)
        return _actions(service, allocation)

    def due(self) -> tuple[Name, ...]:
        """The Services to look at again since the last call, for what was decided about others concerns them."""
        due, self._due = tuple(self._due), {}
        return due

    def desired(self, snapshot: Snapshot) -> ControllerDesired:
        """What to say of the pools, and of the addresses that no node may announce."""
        if not self._look(snapshot):
            return ControllerDesired()
        statuses = {name: self.ledger.counts(name.name) for name in snapshot.pools if name.name in self.ledger.pools}
        return ControllerDesired(statuses, self.ledger.problems, self._unannounced(snapshot))

    def _look(self, snapshot: Snapshot) -> bool:
        """Take in what concerns every Service; tells whether the snapshot is complete enough to decide by."""
        if not snapshot.synced:
            return False
        last, self._last = self._last, snapshot
        if not last.synced:
            self._adopt(snapshot)
        pools_changed = snapshot.pools is not last.pools and self.ledger.set_pools(snapshot.pools.values())
        if pools_changed:
            self._wake(self.ledger.services())  # a pool that shrank takes addresses away, one that grew has more
        if pools_changed or snapshot.namespaces is not last.namespaces:
            self._wake(self.waiting.in_order())
        return True

    def _adopt(self, snapshot: Snapshot) -> None:
        """Let everybody hold what they held before this program started, before anything is given away."""
        for name, service in sorted(snapshot.services.items()):
            if service.wants_address and service.load_balancer_class == self._lb_class:
                self.ledger.hold(name, service.status.addresses)

    def _enter(self, service: Service, allocation: Allocation) -> None:
        """Enter a decision; what the status still shows stays held until the write has been seen to succeed."""
        shown = self.ledger.addresses_of(service.name)
        self._hold(service.name, tuple(dict.fromkeys((*allocation.addresses, *shown))))
        if allocation.outcome is Outcome.PENDING:
            self.waiting.add(service.name)
        else:
            self.waiting.discard(service.name)

    def _let_go(self, name: Name) -> None:
        self._hold(name, ())
        self.waiting.discard(name)

    def _hold(self, name: Name, addresses: tuple[IPAddress, ...]) -> None:
        if self.ledger.hold(name, addresses):
            self._wake(self.waiting.in_order())

    def _wake(self, names: tuple[Name, ...]) -> None:
        self._due.update(dict.fromkeys(names))

    def _unannounced(self, snapshot: Snapshot) -> Mapping[str, Unannounced]:
        announcements = self._announcements.update(snapshot)
        addresses = {name: snapshot.services[name].status.addresses for name in announcements}
        grouping = self._groups.form(addresses, announcements)
        found = {}
        for key, why in grouping.nobody.items():
            names = grouping.services[key]
            everything = dict.fromkeys(address for name in names for address in addresses[name])
            found[key] = Unannounced(tuple(everything), names, why)
        return found


def _actions(service: Service, allocation: Allocation) -> tuple[Action, ...]:
    """Write the status and then tell of it: an event must not speak of a write that failed."""
    foreign = tuple(one for one in service.status.conditions if one.type != CONDITION)
    own = () if allocation.condition is None else (allocation.condition,)
    status = ServiceStatus(allocation.addresses, allocation.pool, (*foreign, *own))
    if status == service.status:
        return ()
    reason = allocation.condition.message if allocation.condition else f"{service.name} is of type {service.type}"
    return WriteServiceStatus(service, status, reason), *(RecordEvent(event) for event in allocation.events)

"""What became of a Service's wish for an address, and what is said about it in MetalLB's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from metalev.decide.eligibility import Eligibility, Refused
from metalev.decide.hindrances import Hindrance
from metalev.decide.ledger import Ledger
from metalev.decide.poolchoice import Addresses
from metalev.decide.unread import UNREAD, why_kept
from metalev.decide.waiting import Want
from metalev.decide.wishes import deprecated_annotations
from metalev.decide.words import quoted, quoted_list
from metalev.model.actions import Event, EventType
from metalev.model.address import Family
from metalev.model.errors import BadValue, MetalevError
from metalev.model.meta import Kind, ObjectKey
from metalev.model.services import Condition, ConditionStatus, FamilyPolicy, Service

COMPONENT = "metallb-controller"
CONDITION = "metalev.io/AddressAssigned"
"""Stands on a Service only while there is something to say that its address does not say: as MetalLB, a Service with
all that it asks for has no condition of ours, and its one write costs the API server least."""
ALL_IS_WELL = "IPAllocated"


class Outcome(StrEnum):
    """What became of a Service's address."""

    KEPT = "kept"
    ASSIGNED = "assigned"
    CLEARED = "cleared"
    PENDING = "pending"
    NOT_OURS = "not ours"


class Allocation(Struct, frozen=True):
    """What a Service should hold, and what to say about it.

    ``condition`` says what was decided and why; ``None`` for a Service that metalev does not serve. ``events`` tell of
    a change: they are for the pass that makes it, and not to be repeated. ``want`` is what it waits for, also beside an
    address that it holds; ``None`` if it has all that it asks for.
    """

    outcome: Outcome
    addresses: Addresses = ()
    pool: str = ""
    condition: Condition | None = None
    events: tuple[Event, ...] = ()
    want: Want | None = None

    @property
    def trouble(self) -> Condition | None:
        """The condition, if it says more than that the Service has what it asks for: then it is to stand there."""
        plain = self.condition is None or self.condition.reason == ALL_IS_WELL
        return None if plain else self.condition


class Answer:
    """What becomes of one Service's case: an allocation, and every remark that is to be made about it."""

    def __init__(self, service: Service, ledger: Ledger, may: Eligibility, unread: Mapping[str, str]) -> None:
        self._service = service
        self._ledger = ledger
        self._may = may
        self._unread = unread
        self._remarks: list[tuple[str, str]] = []
        self._events = [
            _event(service, EventType.WARNING, "deprecatedAnnotation", f"Service uses deprecated annotation {name}")
            for name in deprecated_annotations(service)
        ]

    def kept(self, held: Addresses, want: Want | None = None) -> Allocation:
        """It has what it asks for, but for ``want``."""
        return self.holding(Outcome.KEPT, held, want)

    def assigned(self, addresses: Addresses) -> Allocation:
        """It gets ``addresses`` in place of what it had."""
        self.say(EventType.NORMAL, ALL_IS_WELL, f"Assigned IP {quoted_list(addresses)}")
        return self.holding(Outcome.ASSIGNED, addresses)

    def nothing(self, reason: str, message: str) -> Allocation:
        """It gets nothing, whatever becomes free."""
        return pending(self._service, reason, message, events=self._events)

    def hindered(self, held: Addresses, by: Hindrance) -> Allocation:
        """It keeps what it has, and gets nothing new."""
        if not held:
            return pending(self._service, by.reason, by.message, event_reason=by.event_reason, events=self._events)
        self.say(EventType.WARNING, by.event_reason, by.message)
        self._remarks.append((by.reason, by.message))
        return self.kept(held)

    def unreadable(self, held: Addresses, error: BadValue) -> Allocation:
        """A wish that can never be met as it is takes nothing away."""
        if not held:
            return self._failed(error, Want())
        self._remark(EventType.WARNING, "LoadBalancerFailed", f"invalid requested loadbalancer IPs: {error}")
        return self.kept(held)

    def unmet(self, held: Addresses, pool: str, wished: Addresses, error: Refused) -> Allocation:
        """A new wish that cannot be met takes nothing away. It may be met later."""
        want = self._want(pool, wished=wished)
        if not held:
            return self._failed(error, want)
        self._remark(EventType.WARNING, "AllocationFailed", self._failure(error))
        return self.kept(held, want)

    def holding(self, outcome: Outcome, addresses: Addresses, want: Want | None = None) -> Allocation:
        """``addresses``, and every remark that is to be made about holding them."""
        pool, name = self._may.pool_of(addresses), self._may.pool_name(addresses)
        if astray := self._may.astray(addresses):
            self._note_kept(astray)
        missing = tuple(one for one in self._service.families if one not in {held.version for held in addresses})
        if missing and pool is not None and self._service.family_policy is FamilyPolicy.PREFER:
            message = "cannot assign additional IP in PreferDualStack: "
            message += f"no available IPs in pool {name}"
            self._remark(EventType.NORMAL, "AdditionalAssignFailed", message)
            want = want or self._want(name, families=missing)
        for address in addresses:
            if whose := self._ledger.barred(address):
                message = f"{quoted(address)} is an address {whose}: traffic to it may end there, not at the Service"
                self._remark(EventType.WARNING, "AddressInUse", message)
        reason = self._remarks[0][0] if self._remarks else ALL_IS_WELL
        message = "; ".join([f"Assigned IP {quoted_list(addresses)}", *(text for _, text in self._remarks)])
        condition = Condition(CONDITION, ConditionStatus.TRUE, reason, message)
        return Allocation(outcome, addresses, name, condition, tuple(self._events), want)

    def say(self, kind: EventType, reason: str, message: str) -> None:
        """Tell of it now, as a Kubernetes event."""
        self._events.append(_event(self._service, kind, reason, message))

    def _want(self, pool: str, *, wished: Addresses = (), families: tuple[Family, ...] | None = None) -> Want:
        wanted = self._service.families if families is None else families
        return Want(wished, wanted, pool, self._may.terms.together)

    def _failed(self, error: MetalevError, want: Want) -> Allocation:
        return pending(self._service, "AllocationFailed", self._failure(error), events=self._events, want=want)

    def _failure(self, error: MetalevError) -> str:
        return f"Failed to allocate IP for {quoted(self._service.name)}: {error}"

    def _note_kept(self, astray: Addresses) -> None:
        """Say first of all why it keeps what is in no known pool; tell of it when that begins."""
        message = why_kept(astray, self._unread)
        self._remarks.insert(0, (UNREAD, message))
        if not any((one.type, one.reason) == (CONDITION, UNREAD) for one in self._service.status.conditions):
            self.say(EventType.WARNING, UNREAD, message)

    def _remark(self, kind: EventType, reason: str, message: str) -> None:
        """Say it now, and in the condition for as long as it is so."""
        self.say(kind, reason, message)
        self._remarks.append((reason, message))


def pending(
    service: Service,
    reason: str,
    message: str,
    *,
    event_reason: str = "",
    events: Sequence[Event] = (),
    want: Want | None = None,
) -> Allocation:
    """No address; without a ``want``, none that becomes free would help."""
    return Allocation(
        Outcome.PENDING,
        condition=Condition(CONDITION, ConditionStatus.FALSE, reason, message),
        events=(*events, _event(service, EventType.WARNING, event_reason or reason, message)),
        want=want or Want(),
    )


def _event(service: Service, kind: EventType, reason: str, message: str) -> Event:
    return Event(ObjectKey(Kind.SERVICE, service.name), kind, reason, message, COMPONENT)

"""Which address a Service gets: MetalLB's rules in MetalLB's order, and the reason in MetalLB's words."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from metalev.decide.ledger import Ledger
from metalev.decide.poolchoice import Namespaces, best_offer, is_for, offer
from metalev.decide.wishes import deprecated_annotations, requested_addresses, requested_pool
from metalev.decide.words import quoted, quoted_list
from metalev.model.actions import Event, EventType
from metalev.model.address import IPAddress
from metalev.model.errors import BadValue, MetalevError
from metalev.model.meta import Kind, ObjectKey
from metalev.model.pools import Pool
from metalev.model.services import Condition, ConditionStatus, Service

COMPONENT = "metallb-controller"
CONDITION = "metalev.io/AddressAssigned"


class Outcome(StrEnum):
    """What became of a Service's address."""

    KEPT = "kept"
    ASSIGNED = "assigned"
    CLEARED = "cleared"
    PENDING = "pending"
    NOT_OURS = "not ours"


class Allocation(Struct, frozen=True):
    """What a Service should hold, and what to say about it.

    ``events`` tell of a change: they are for the pass that makes it, and not to be repeated.
    """

    outcome: Outcome
    addresses: tuple[IPAddress, ...] = ()
    pool: str = ""
    condition: Condition | None = None
    events: tuple[Event, ...] = ()


class Refused(MetalevError):
    """An address cannot be had; the message says which and why, as MetalLB says it."""


def decide_addresses(
    service: Service, ledger: Ledger, namespaces: Namespaces, *, lb_class: str | None = None
) -> Allocation:
    """What ``service`` should hold, given what its status says it holds and what is free.

    It changes nothing: the caller enters the outcome in the ledger. ``lb_class`` is the one ``loadBalancerClass`` that
    is served; ``None`` serves the Services that name none.
    """
    if not service.wants_address:
        return Allocation(Outcome.CLEARED)
    if service.load_balancer_class != lb_class:
        return Allocation(Outcome.NOT_OURS)
    if not ledger.pools:
        return _pending(service, "NoPools", "no IPAddressPool is defined, so there is no address to give: create one")
    if not service.families:
        return _pending(service, "NoClusterIP", "the Service has no ClusterIP, so an address would lead nowhere")
    return _Case(service, ledger, namespaces).decide()


class _Case:
    """One Service before the ledger."""

    def __init__(self, service: Service, ledger: Ledger, namespaces: Namespaces) -> None:
        self._service = service
        self._ledger = ledger
        self._namespaces = namespaces
        self._events = [
            _event(service, EventType.WARNING, "deprecatedAnnotation", f"Service uses deprecated annotation {name}")
            for name in deprecated_annotations(service)
        ]

    def decide(self) -> Allocation:
        held = self._still_allowed(self._service.status.addresses)
        try:
            wished = requested_addresses(self._service)
            if held and (not wished or set(wished) == set(held)):
                return self._kept(held, "IPAllocated", f"Assigned IP {quoted_list(held)}")
            return self._assigned(self._allocate(wished))
        except BadValue as error:
            # A wish that nobody can read takes nothing away.
            if held:
                return self._kept(held, "LoadBalancerFailed", f"invalid requested loadbalancer IPs: {error}")
            return self._failed(error)
        except Refused as error:
            return self._failed(error)

    def _still_allowed(self, held: tuple[IPAddress, ...]) -> tuple[IPAddress, ...]:
        """``held`` if the Service may keep it, else nothing."""
        service = self._service
        versions = [address.version for address in held]
        if not held or len(set(versions)) < len(versions) or not set(versions) <= set(service.families):
            return ()
        try:
            pool = self._check(held, holds_it=True)
        except Refused as error:
            message = f"current IP for {quoted(service.name)} not allowed by config, "
            message += f"will attempt for new IP assignment: {error}"
            self._events.append(_event(service, EventType.NORMAL, "ClearAssignment", message))
            return ()
        return held if requested_pool(service) in {"", pool.name.name} else ()

    def _allocate(self, wished: tuple[IPAddress, ...]) -> tuple[IPAddress, ...]:
        """Addresses that the Service may have. Raises :class:`Refused`."""
        service, named = self._service, requested_pool(self._service)
        if wished:
            return self._grant(wished, named)
        if not named:
            addresses = best_offer(service, self._ledger, self._namespaces)
            if not addresses:
                raise Refused("no available IPs")
            return addresses
        if named not in self._ledger.pools:
            raise Refused(f"unknown pool {quoted(named)}")
        addresses = offer(service, self._ledger, self._ledger.pools[named])
        if not addresses:
            raise Refused(f"no available IPs in pool {named}")
        self._check(addresses)
        return addresses

    def _grant(self, wished: tuple[IPAddress, ...], named: str) -> tuple[IPAddress, ...]:
        if {address.version for address in wished} != set(self._service.families):
            subject = f"requested loadBalancer IP(s) {quoted_list(wished)}"
            raise Refused(f"{subject} does not match the ipFamily of the service")
        pool = self._check(wished)
        if named not in {"", pool.name.name}:
            subject = f"requested loadBalancer IP(s) {quoted_list(wished)}"
            raise Refused(f"{subject} is not compatible with requested address pool {named}")
        return wished

    def _check(self, addresses: Sequence[IPAddress], *, holds_it: bool = False) -> Pool:
        """The one pool that all ``addresses`` are of, if the Service may have them. Raises :class:`Refused`."""
        pool = self._ledger.pool_of(addresses[0])
        if pool is None or any(self._ledger.pool_of(address) != pool for address in addresses):
            raise Refused(f"{quoted_list(addresses)} is not allowed in config")
        if not is_for(pool, self._service, self._namespaces, holds_it=holds_it):
            raise Refused(f"pool {pool.name.name} not compatible for ip assignment")
        for address in addresses:
            others = self._ledger.ahead_of(self._service.name, address)
            if others:
                subject = f"can't change sharing key for {quoted(self._service.name)}"
                raise Refused(f"{subject}, address also in use by {','.join(map(str, others))}")
        return pool

    def _kept(self, held: tuple[IPAddress, ...], reason: str, message: str) -> Allocation:
        if reason == "LoadBalancerFailed":
            self._events.append(_event(self._service, EventType.WARNING, reason, message))
        return self._holding(Outcome.KEPT, held, reason, message)

    def _assigned(self, addresses: tuple[IPAddress, ...]) -> Allocation:
        message = f"Assigned IP {quoted_list(addresses)}"
        self._events.append(_event(self._service, EventType.NORMAL, "IPAllocated", message))
        return self._holding(Outcome.ASSIGNED, addresses, "IPAllocated", message)

    def _holding(self, outcome: Outcome, addresses: tuple[IPAddress, ...], reason: str, message: str) -> Allocation:
        pool = self._ledger.pool_of(addresses[0])
        assert pool is not None
        condition = Condition(CONDITION, ConditionStatus.TRUE, reason, message)
        return Allocation(outcome, addresses, pool.name.name, condition, tuple(self._events))

    def _failed(self, error: MetalevError) -> Allocation:
        message = f"Failed to allocate IP for {quoted(self._service.name)}: {error}"
        return _pending(self._service, "AllocationFailed", message, self._events)


def _pending(service: Service, reason: str, message: str, events: Sequence[Event] = ()) -> Allocation:
    return Allocation(
        Outcome.PENDING,
        condition=Condition(CONDITION, ConditionStatus.FALSE, reason, message),
        events=(*events, _event(service, EventType.WARNING, reason, message)),
    )


def _event(service: Service, kind: EventType, reason: str, message: str) -> Event:
    return Event(ObjectKey(Kind.SERVICE, service.name), kind, reason, message, COMPONENT)

"""Which address a Service gets: MetalLB's rules in MetalLB's order, and the reason in MetalLB's words.

Where those do not say what to do, more words follow them: who looks for MetalLB's still finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from metalev.decide.ledger import Ledger
from metalev.decide.poolchoice import Addresses, Namespaces, Offers, automatic, is_for
from metalev.decide.sharing import terms_of
from metalev.decide.shortage import shortage
from metalev.decide.unread import UNREAD, why_kept, why_no_pools
from metalev.decide.waiting import Want
from metalev.decide.wishes import check_families, deprecated_annotations, requested_addresses, requested_pool
from metalev.decide.words import quoted, quoted_list
from metalev.model.actions import Event, EventType
from metalev.model.address import Family, IPAddress
from metalev.model.errors import BadValue, MetalevError
from metalev.model.legacy import object_name
from metalev.model.meta import Kind, ObjectKey
from metalev.model.pools import Pool
from metalev.model.services import Condition, ConditionStatus, FamilyPolicy, Service

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

    ``events`` tell of a change: they are for the pass that makes it, and not to be repeated. ``want`` is what it waits
    for, also beside an address that it holds; ``None`` if it has all that it asks for.
    """

    outcome: Outcome
    addresses: Addresses = ()
    pool: str = ""
    condition: Condition | None = None
    events: tuple[Event, ...] = ()
    want: Want | None = None


class Refused(MetalevError):
    """An address cannot be had; the message says which and why, as MetalLB says it."""


def decide_addresses(
    service: Service,
    ledger: Ledger,
    namespaces: Namespaces,
    *,
    lb_class: str | None = None,
    unread: Mapping[str, str] = {},
    give_up: frozenset[IPAddress] = frozenset(),
) -> Allocation:
    """What ``service`` should hold, given what its status says it holds and what is free.

    It changes nothing: the caller enters the outcome in the ledger. ``lb_class`` is the one ``loadBalancerClass`` that
    is served; ``None`` serves the Services that name none. ``unread`` are the inputs that cannot be used, by source: as
    long as there are any, nobody loses an address because it is in no pool. What it holds of ``give_up`` it gives up.
    """
    if not service.wants_address:
        return Allocation(Outcome.CLEARED)
    if service.load_balancer_class != lb_class:
        return Allocation(Outcome.NOT_OURS)
    once = _with_each_family_once(service)
    if give_up:
        once = _without(once, give_up)
    return _nothing_to_give(service, ledger, unread) or _Case(once, ledger, namespaces, unread).decide()


def _with_each_family_once(service: Service) -> Service:
    """``service``, of which the decisions may trust that it wants one address of each of its families.

    Two of one family could never be right in its status: it would be given addresses again and again, for ever.
    """
    families = tuple(dict.fromkeys(service.families))
    return service if families == service.families else replace(service, families=families)


def _without(service: Service, addresses: frozenset[IPAddress]) -> Service:
    """``service`` as if it did not hold ``addresses``."""
    left = tuple(one for one in service.status.addresses if one not in addresses)
    return replace(service, status=replace(service.status, addresses=left))


def _nothing_to_give(service: Service, ledger: Ledger, unread: Mapping[str, str]) -> Allocation | None:
    """What takes away even an address that the Service holds."""
    if not ledger.pools and not unread:
        return _pending(service, "NoPools", "no IPAddressPool is defined, so there is no address to give: create one")
    if not service.families:
        return _pending(service, "NoClusterIP", "the Service has no ClusterIP, so an address would lead nowhere")
    return None


class _Hindrance(Struct, frozen=True):
    """Why a Service gets nothing new; MetalLB warns and stops there, so it keeps what it has."""

    reason: str
    message: str
    event_reason: str


def _hindrance(service: Service) -> _Hindrance | None:
    try:
        check_families(service.cluster_ips)
    except BadValue as error:
        message = f"Failed to retrieve ClusterIPs IPFamily for {quoted_list(service.cluster_ips)}"
        message += f" {service.cluster_ips[0]}: {error}"
        return _Hindrance("noclusterIPsIPFamily", message, "noclusterIPsIPFamily")
    if service.family_policy is FamilyPolicy.REQUIRE and len(service.families) < 2:
        message = f"Service requires dual stack but not enough clusterips [{' '.join(map(str, service.cluster_ips))}]"
        return _Hindrance("NotEnoughClusterIPs", message, "not enough clusterips")
    return None


def _named_pool(service: Service, ledger: Ledger) -> str:
    """The pool that the Service asks for, also by the name that it had in MetalLB's old ConfigMap."""
    asked = requested_pool(service)
    today = object_name(asked)
    return today if asked not in ledger.pools and today in ledger.pools else asked


class _Case:
    """One Service before the ledger."""

    def __init__(self, service: Service, ledger: Ledger, namespaces: Namespaces, unread: Mapping[str, str]) -> None:
        self._service = service
        self._ledger = ledger
        self._namespaces = namespaces
        self._unread = unread
        self._terms = terms_of(service)
        self._offers = Offers(service, ledger)
        self._named = _named_pool(service, ledger)
        self._remarks: list[tuple[str, str]] = []
        self._events = [
            _event(service, EventType.WARNING, "deprecatedAnnotation", f"Service uses deprecated annotation {name}")
            for name in deprecated_annotations(service)
        ]

    def decide(self) -> Allocation:
        held = self._still_allowed(self._service.status.addresses)
        if not held and not self._ledger.pools:
            return _pending(self._service, "NoPools", why_no_pools(self._unread), events=self._events)
        hindrance = _hindrance(self._service)
        if hindrance is not None:
            return self._hindered(held, hindrance)
        try:
            wished = self._wish()
        except BadValue as error:
            return self._unreadable(held, error)
        if held and self._is_met_by(held, wished):
            completed = self._completed(held)
            if completed is not None:
                return completed
            held = ()
        try:
            return self._assigned(self._allocate(wished))
        except Refused as error:
            return self._unmet(held, wished, error)

    # --- What it has ---

    def _still_allowed(self, shown: Addresses) -> Addresses:
        """What the Service may keep of the addresses that its status shows."""
        try:
            check_families(shown)
        except BadValue as error:
            message = f"Failed to retrieve LBIPs IPFamily for {quoted_list(shown)}: {error}"
            self._say(EventType.WARNING, "nolbIPsIPFamily", message)
            return ()
        held = tuple(address for address in shown if address.version in self._service.families)
        try:
            if held:
                self._check(held, holds_it=True)
        except Refused as error:
            message = f"current IP for {quoted(self._service.name)} not allowed by config, "
            message += f"will attempt for new IP assignment: {error}"
            self._say(EventType.NORMAL, "ClearAssignment", message)
            return self._allowed_part(held)
        return held

    def _allowed_part(self, held: Addresses) -> Addresses:
        """The one of two addresses that may stay when they may not both, rather of the primary family."""
        for address in sorted(held, key=lambda one: self._service.families.index(one.version)):
            with suppress(Refused):
                self._check((address,), holds_it=True)
                return (address,)
        return ()

    def _completed(self, held: Addresses) -> Allocation | None:
        """``held`` with the family that it lacks, from the same pool; ``None`` if it is needed and not to be had."""
        missing = [family for family in self._service.families if family not in {one.version for one in held}]
        if not missing:
            return self._kept(held)
        pool = self._pool_of(held)
        if pool is None:
            return self._kept(held)
        extra = self._offers.one(pool, missing[0])
        if extra is not None:
            self._say(EventType.NORMAL, "IPAllocated", f"Assigned additional IP {quoted(extra)}")
            return self._holding(Outcome.ASSIGNED, (*held, extra))
        if self._service.family_policy is not FamilyPolicy.PREFER:
            return None
        return self._kept(held)

    def _is_met_by(self, held: Addresses, wished: Addresses) -> bool:
        pool = self._pool_name(held)
        right_pool = self._named in {"", pool} or (self._named not in self._ledger.pools and self._was_named(pool))
        return right_pool and (not wished or set(wished) == set(held))

    def _was_named(self, pool: str) -> bool:
        """Whether the Service asks for ``pool`` by its old name, which nobody can look up while it cannot be read."""
        return object_name(self._named) == pool

    # --- What it asks for ---

    def _wish(self) -> Addresses:
        """The addresses that it names. Raises :class:`BadValue` for a wish that can never be met as it is."""
        wished = requested_addresses(self._service)
        if wished and {address.version for address in wished} != set(self._service.families):
            subject = f"requested loadBalancer IP(s) {quoted_list(wished)}"
            raise BadValue(f"{subject} does not match the ipFamily of the service")
        return wished

    def _allocate(self, wished: Addresses) -> Addresses:
        """Addresses that the Service may have. Raises :class:`Refused`."""
        if wished:
            return self._grant(wished)
        if not self._named:
            groups = automatic(self._service, self._ledger, self._namespaces)
            addresses = self._offers.best(groups)
            if not addresses:
                pools = [pool for group in groups for pool in group]
                raise Refused(f"no available IPs{shortage(self._service, pools, self._ledger)}")
            return addresses
        pool = self._ledger.pools.get(self._named)
        if pool is None:
            raise Refused(f"unknown pool {quoted(self._named)}")
        if not is_for(pool, self._service, self._namespaces):
            raise Refused(f"pool {self._named} not compatible for ip assignment")
        addresses = self._offers.best([[pool]])
        if not addresses:
            lack = shortage(self._service, [pool], self._ledger)
            raise Refused(f"no available IPs in pool {self._named}{lack}")
        return addresses

    def _grant(self, wished: Addresses) -> Addresses:
        pool = self._check(wished)
        if self._named not in {"", pool}:
            subject = f"requested loadBalancer IP(s) {quoted_list(wished)}"
            raise Refused(f"{subject} is not compatible with requested address pool {self._named}")
        return wished

    def _check(self, addresses: Addresses, *, holds_it: bool = False) -> str:
        """The one pool that all ``addresses`` are of, if the Service may have them. Raises :class:`Refused`.

        What it holds may be of a pool that cannot be read.
        """
        pool, astray = self._pool_of(addresses), self._astray(addresses)
        known = [address for address in addresses if address not in astray]
        if (astray and not (holds_it and self._unread)) or any(self._ledger.pool_of(one) != pool for one in known):
            raise Refused(f"{quoted_list(addresses)} is not allowed in config")
        if pool is not None and not is_for(pool, self._service, self._namespaces, holds_it=holds_it):
            raise Refused(f"pool {pool.name.name} not compatible for ip assignment")
        for address in addresses:
            whose = self._ledger.barred(address)
            if whose and not holds_it:
                raise Refused(f"{quoted(address)} is not allowed in config: it is an address {whose}")
            refusal = self._ledger.refusal(self._service.name, self._terms, address)
            if refusal:
                raise Refused(refusal)
        return self._pool_name(addresses)

    # --- What becomes of it ---

    def _kept(self, held: Addresses, want: Want | None = None) -> Allocation:
        return self._holding(Outcome.KEPT, held, want)

    def _assigned(self, addresses: Addresses) -> Allocation:
        self._say(EventType.NORMAL, "IPAllocated", f"Assigned IP {quoted_list(addresses)}")
        return self._holding(Outcome.ASSIGNED, addresses)

    def _hindered(self, held: Addresses, by: _Hindrance) -> Allocation:
        if not held:
            return _pending(self._service, by.reason, by.message, event_reason=by.event_reason, events=self._events)
        self._say(EventType.WARNING, by.event_reason, by.message)
        self._remarks.append((by.reason, by.message))
        return self._kept(held)

    def _unreadable(self, held: Addresses, error: BadValue) -> Allocation:
        if not held:
            return self._failed(error, Want())
        self._remark(EventType.WARNING, "LoadBalancerFailed", f"invalid requested loadbalancer IPs: {error}")
        return self._kept(held)

    def _unmet(self, held: Addresses, wished: Addresses, error: Refused) -> Allocation:
        """A new wish that cannot be met takes nothing away. It may be met later."""
        want = self._want(self._named, wished=wished)
        if not held:
            return self._failed(error, want)
        self._remark(EventType.WARNING, "AllocationFailed", self._failure(error))
        return self._kept(held, want)

    def _holding(self, outcome: Outcome, addresses: Addresses, want: Want | None = None) -> Allocation:
        """``addresses``, and every remark that is to be made about holding them."""
        pool, name = self._pool_of(addresses), self._pool_name(addresses)
        if astray := self._astray(addresses):
            self._note_kept(astray)
        missing = tuple(one for one in self._service.families if one not in {held.version for held in addresses})
        if missing and pool is not None:
            message = "cannot assign additional IP in PreferDualStack: "
            message += f"no available IPs in pool {name}"
            self._remark(EventType.NORMAL, "AdditionalAssignFailed", message)
            want = want or self._want(name, families=missing)
        for address in addresses:
            if whose := self._ledger.barred(address):
                message = f"{quoted(address)} is an address {whose}: traffic to it may end there, not at the Service"
                self._remark(EventType.WARNING, "AddressInUse", message)
        reason = self._remarks[0][0] if self._remarks else "IPAllocated"
        message = "; ".join([f"Assigned IP {quoted_list(addresses)}", *(text for _, text in self._remarks)])
        condition = Condition(CONDITION, ConditionStatus.TRUE, reason, message)
        return Allocation(outcome, addresses, name, condition, tuple(self._events), want)

    def _want(self, pool: str, *, wished: Addresses = (), families: tuple[Family, ...] | None = None) -> Want:
        wanted = self._service.families if families is None else families
        return Want(wished, () if wished else wanted, pool, self._terms.together)

    def _failed(self, error: MetalevError, want: Want) -> Allocation:
        return _pending(self._service, "AllocationFailed", self._failure(error), events=self._events, want=want)

    def _failure(self, error: MetalevError) -> str:
        return f"Failed to allocate IP for {quoted(self._service.name)}: {error}"

    def _pool_of(self, addresses: Addresses) -> Pool | None:
        """The first known pool of any of ``addresses``."""
        return next((pool for one in addresses if (pool := self._ledger.pool_of(one)) is not None), None)

    def _pool_name(self, addresses: Addresses) -> str:
        """The pool of ``addresses``; if it is not known, what the status names."""
        pool = self._pool_of(addresses)
        return self._service.status.pool if pool is None else pool.name.name

    def _astray(self, addresses: Addresses) -> Addresses:
        """Those of ``addresses`` that are in no known pool."""
        return tuple(address for address in addresses if self._ledger.pool_of(address) is None)

    def _note_kept(self, astray: Addresses) -> None:
        """Say first of all why it keeps what is in no known pool; tell of it when that begins."""
        message = why_kept(astray, self._unread)
        self._remarks.insert(0, (UNREAD, message))
        if not any((one.type, one.reason) == (CONDITION, UNREAD) for one in self._service.status.conditions):
            self._say(EventType.WARNING, UNREAD, message)

    def _say(self, kind: EventType, reason: str, message: str) -> None:
        self._events.append(_event(self._service, kind, reason, message))

    def _remark(self, kind: EventType, reason: str, message: str) -> None:
        """Say it now, and in the condition for as long as it is so."""
        self._say(kind, reason, message)
        self._remarks.append((reason, message))


def _pending(
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

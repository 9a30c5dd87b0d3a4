"""Which address a Service gets: MetalLB's rules in MetalLB's order, and the reason in MetalLB's words.

Where those do not say what to do, more words follow them: who looks for MetalLB's still finds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from msgspec.structs import replace

from metalev.decide.eligibility import Eligibility, Refused
from metalev.decide.hindrances import hindrance
from metalev.decide.ledger import Ledger
from metalev.decide.outcome import Allocation, Answer, Outcome, pending
from metalev.decide.poolchoice import Addresses, Namespaces, Offers, automatic, is_for
from metalev.decide.shortage import shortage
from metalev.decide.unread import why_no_pools
from metalev.decide.wishes import check_families, requested_addresses, requested_pool
from metalev.decide.words import quoted, quoted_list
from metalev.model.actions import EventType
from metalev.model.address import IPAddress
from metalev.model.errors import BadValue
from metalev.model.legacy import object_name
from metalev.model.services import FamilyPolicy, Service


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
        return pending(service, "NoPools", "no IPAddressPool is defined, so there is no address to give: create one")
    if not service.families:
        return pending(service, "NoClusterIP", "the Service has no ClusterIP, so an address would lead nowhere")
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
        self._may = Eligibility(service, ledger, namespaces, unread)
        self._answer = Answer(service, ledger, self._may, unread)
        self._offers = Offers(service, ledger)
        self._named = _named_pool(service, ledger)

    def decide(self) -> Allocation:
        held = self._still_allowed(self._service.status.addresses)
        if not held and not self._ledger.pools:
            return self._answer.nothing("NoPools", why_no_pools(self._unread))
        hindered = hindrance(self._service)
        if hindered is not None:
            return self._answer.hindered(held, hindered)
        try:
            wished = self._wish()
        except BadValue as error:
            return self._answer.unreadable(held, error)
        if held and self._is_met_by(held, wished):
            completed = self._completed(held)
            if completed is not None:
                return completed
        try:
            return self._answer.assigned(self._allocate(wished))
        except Refused as error:
            return self._answer.unmet(held, self._named, wished, error)

    # --- What it has ---

    def _still_allowed(self, shown: Addresses) -> Addresses:
        """What the Service may keep of the addresses that its status shows."""
        try:
            check_families(shown)
        except BadValue as error:
            message = f"Failed to retrieve LBIPs IPFamily for {quoted_list(shown)}: {error}"
            self._answer.say(EventType.WARNING, "nolbIPsIPFamily", message)
            return ()
        held = tuple(address for address in shown if address.version in self._service.families)
        try:
            if held:
                self._may.check(held, holds_it=True)
        except Refused as error:
            message = f"current IP for {quoted(self._service.name)} not allowed by config, "
            message += f"will attempt for new IP assignment: {error}"
            self._answer.say(EventType.NORMAL, "ClearAssignment", message)
            return self._allowed_part(held)
        return held

    def _allowed_part(self, held: Addresses) -> Addresses:
        """The one of two addresses that may stay when they may not both, rather of the primary family."""
        for address in sorted(held, key=lambda one: self._service.families.index(one.version)):
            with suppress(Refused):
                self._may.check((address,), holds_it=True)
                return (address,)
        return ()

    def _completed(self, held: Addresses) -> Allocation | None:
        """``held`` with the family that it lacks, from the same pool; ``None`` if it is needed and not to be had."""
        missing = [family for family in self._service.families if family not in {one.version for one in held}]
        if not missing:
            return self._answer.kept(held)
        pool = self._may.pool_of(held)
        if pool is None:
            return self._answer.kept(held)
        extra = self._offers.one(pool, missing[0])
        if extra is not None:
            self._answer.say(EventType.NORMAL, "IPAllocated", f"Assigned additional IP {quoted(extra)}")
            return self._answer.holding(Outcome.ASSIGNED, (*held, extra))
        if self._service.family_policy is not FamilyPolicy.PREFER:
            return None
        return self._answer.kept(held)

    def _is_met_by(self, held: Addresses, wished: Addresses) -> bool:
        pool = self._may.pool_name(held)
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
        pool = self._may.check(wished)
        if self._named not in {"", pool}:
            subject = f"requested loadBalancer IP(s) {quoted_list(wished)}"
            raise Refused(f"{subject} is not compatible with requested address pool {self._named}")
        return wished

"""The first links of the chain: whether the Service is metalev's to serve, and has an address."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from metalev.decide.findings import Finding, amount, listed, mind, no, yes
from metalev.decide.ledger import Ledger
from metalev.decide.misspelt import misspelt
from metalev.decide.outcome import CONDITION, Allocation, Outcome
from metalev.decide.unread import ANNOUNCEABLE, UNREAD
from metalev.model.meta import Name
from metalev.model.services import Condition, ConditionStatus, Service, TrafficPolicy

START_CONTROLLER = "start `metalev controller`; if one runs, is it told of this very cluster or directory?"
# What to do, by what the words of an allocation have in common; the words of others say it themselves.
_TO_DO = (
    ("in no pool that is known", "correct what cannot be read; the Service keeps its address until then"),
    ("no IPAddressPool can be read", "correct what cannot be read"),
    ("no IPAddressPool is defined", "create an IPAddressPool and an L2Advertisement"),
    ("no ClusterIP", "remove clusterIP: None from the Service: metalev has no use for a headless one"),
    ("not enough clusterips", "make the cluster dual stack, or set ipFamilyPolicy: PreferDualStack"),
    ("Failed to retrieve ClusterIPs", "look at the Service's spec.clusterIPs: at most one of each family"),
    ("service can not have both", "remove spec.loadBalancerIP or the annotation"),
    ("invalid ", "correct what the Service asks for"),
    ("IPFamilyForAddresses", "ask for at most one address of each family"),
    ("does not match the ipFamily", "ask for an address of each of the Service's families, and no other"),
    ("unknown pool", "correct the annotation metallb.io/address-pool, or create the pool"),
    ("it is an address", "ask for an address that no node, interface or gateway has"),
    ("is not allowed in config", "ask for an address of a pool, or put it into one"),
    ("not compatible for ip assignment", "ask for another pool, or change the serviceAllocation of this one"),
    ("not compatible with requested", "ask for an address of that pool, or for its pool"),
    ("can't change sharing key", "ask for another address, or give both the same metallb.io/allow-shared-ip"),
    ("is already in use on", "use another port, or ask for another address"),
    ("no pool is for this Service", "ask for a pool by metallb.io/address-pool, or change a serviceAllocation"),
    ("no available IPs", "make a pool larger, or free an address"),
)


def unknown(name: Name, services: Iterable[Name]) -> Finding:
    """There is no such Service; one that is called alike may be meant."""
    known = list(services)
    alike = [one for one in known if one.name == name.name]
    close = alike or [
        Name(*text.split("/", 1)) for text in get_close_matches(str(name), list(map(str, known)), cutoff=0.8)
    ]
    advice = f"did you mean {listed(sorted(close))}?" if close else "look at the name and the namespace (-n NAMESPACE)"
    return no("exists", f"there is no Service {name}", advice)


def hidden(service: Service) -> Finding:
    """It cannot be read, and what was written of it before is all that is known."""
    held = listed(service.status.addresses) or "nothing"
    text = f"the manifest of {service.name} cannot be read; {held} is kept for it"
    return no("exists", text, "correct what cannot be read")


def of_deletion(service: Service) -> tuple[Finding, ...]:
    """What a Service that is being deleted waits for: until it is gone it keeps its address."""
    if service.awaited is None:
        return ()
    if not service.awaited:
        return (mind("exists", f"{service.name} is being deleted", "look again in a second"),)
    kept = f"; until then it keeps {held}" if (held := listed(service.status.addresses)) else ""
    text = f"{service.name} is being deleted, and waits for the finalizers {listed(service.awaited)}{kept}"
    advice = (
        "look at whoever is to remove these finalizers; what nobody is to remove any more: "
        f"kubectl edit service {service.name.name} -n {service.name.namespace}"
    )
    return (mind("exists", text, advice),)


def of_type(service: Service) -> Finding:
    """Only a Service of type LoadBalancer asks for an address."""
    if not service.wants_address:
        text = f"{service.name} is of type {service.type}, and only a LoadBalancer gets an address"
        return no("type", text, "set spec.type: LoadBalancer")
    families = " and ".join(f"IPv{family}" for family in service.families) or "headless"
    policy = f", externalTrafficPolicy {service.traffic_policy}"
    return yes("type", f"LoadBalancer, {families}{policy if service.traffic_policy is TrafficPolicy.LOCAL else ''}")


def of_class(service: Service, lb_class: str | None) -> Finding:
    """Whose the Service is."""
    theirs = service.load_balancer_class
    if theirs == lb_class:
        return yes("class", f"loadBalancerClass {theirs}" if theirs else "no loadBalancerClass, so it is metalev's")
    served = f"serves the class {lb_class}" if lb_class else "serves those without one"
    if theirs is None:
        text = f"{service.name} has no loadBalancerClass, and metalev {served}"
        return no("class", text, f"set spec.loadBalancerClass: {lb_class} on a new Service: it cannot be changed")
    text = f"{service.name} has the loadBalancerClass {theirs}, and metalev {served}"
    return no("class", text, f"ask whoever serves {theirs}, or run metalev with --lb-class {theirs}")


def of_address(service: Service, allocation: Allocation, ledger: Ledger, *, looked_at: bool) -> Finding:
    """Which address it has, or why it has none. ``looked_at``: a controller has written about some Service."""
    shown = service.status.addresses
    said = allocation.condition.message if allocation.condition else ""
    if allocation.outcome is Outcome.PENDING:
        lost = f"{service.name} loses {listed(shown)}" if shown else f"{service.name} has no address"
        return no("address", f"{lost}: {said}", _advice(said))
    if set(allocation.addresses) - set(shown):
        return _not_given(service, allocation, looked_at=looked_at)
    text = f"{listed(shown)} from pool {allocation.pool}{_usage(allocation, ledger)}"
    if allocation.trouble is not None:
        _, _, remark = said.partition("; ")
        if allocation.trouble.reason == UNREAD:
            return mind("address", f"{service.name} keeps {listed(shown)}: {remark}", _advice(remark))
        return mind("address", text, _advice(remark), remark)
    return yes("address", text)


def of_contest(service: Service, left: Condition) -> Finding:
    """It was left to another controller that writes its status, too."""
    shown = listed(service.status.addresses) if service.status.addresses else "no address"
    advice = (
        "let one of them serve it: switch the other load balancer off (k3s: --disable servicelb), "
        "or give the Service the other one's loadBalancerClass; then edit the Service"
    )
    return no("address", f"{service.name} shows {shown}, which is not metalev's: {left.message}", advice)


def of_annotations(service: Service) -> tuple[Finding, ...]:
    """What the Service seems to ask for, by an annotation that nobody reads."""
    return tuple(mind("annotations", one.message, "correct the name, or remove it") for one in misspelt(service))


def of_conditions(service: Service, due: tuple[Condition, ...]) -> Finding:
    """What the controller says of it, and whether that is up to date; where all is well it says nothing."""
    own = tuple(one for one in service.status.conditions if one.type in {CONDITION, ANNOUNCEABLE})
    details = [f"{one.type} is {one.status} ({one.reason}): {one.message}" for one in own]
    if not own and all(one.reason == UNREAD for one in due):
        return yes("conditions", "none, as nothing is to be remarked")
    if not own:
        wait = "look again in a second; then, does `metalev controller` run? Its log says why"
        return mind("conditions", "the controller has said nothing of that yet", wait)
    if any(one.reason == UNREAD for one in due) and any(map(_is_assigned, own)):
        # A controller that runs goes by what it read before.
        return yes("conditions", *details)
    if {(one.type, one.status, one.message) for one in own} != {(one.type, one.status, one.message) for one in due}:
        text = "what the controller said is not what is so now"
        return mind("conditions", text, "look again in a second; then, does `metalev controller` run?", *details)
    well = all(one.status is ConditionStatus.TRUE for one in own)
    if well:
        return yes("conditions", *details)
    return yes("conditions", "the controller says the same", *details)


def _is_assigned(condition: Condition) -> bool:
    return condition.type == CONDITION and condition.status is ConditionStatus.TRUE


def _not_given(service: Service, allocation: Allocation, *, looked_at: bool) -> Finding:
    """An address is to be had. Which one is not said to who has none: others may wait for the same."""
    shown = service.status.addresses
    if not looked_at:
        return no("address", f"{service.name} has no address, for no controller has written here", START_CONTROLLER)
    wait = "look again in a second; then, does `metalev controller` run? Its log says why"
    if shown:
        text = f"{service.name} still has {listed(shown)}, and is to have {listed(allocation.addresses)}"
        return no("address", text, wait)
    text = f"{service.name} has no address yet, and the controller has given it none, though pool {allocation.pool} has"
    return no("address", text, wait)


def _usage(allocation: Allocation, ledger: Ledger) -> str:
    """How full the pool is, in the families that the Service uses; nothing of one that is not known."""
    if allocation.pool not in ledger.pools:
        return ""
    parts = []
    for family in sorted({one.version for one in allocation.addresses}):
        total, held, _ = ledger.usage(allocation.pool, family)
        parts.append(f"{held} of {amount(total)} IPv{family} addresses in use")
    return f" ({', '.join(parts)})" if parts else ""


def _advice(said: str) -> str:
    """What to do about the words of an allocation."""
    return next((advice for words, advice in _TO_DO if words in said), "")

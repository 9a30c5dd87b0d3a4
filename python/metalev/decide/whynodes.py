"""The middle of the chain: who advertises the address, what stands behind it, and which nodes may announce it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from metalev.decide.candidates import ADVICE, Announcement, Why
from metalev.decide.findings import Finding, listed, mind, no, yes
from metalev.decide.wishes import shares
from metalev.model.address import Family, IPAddress
from metalev.model.cluster import SpeakerPod
from metalev.model.meta import Name, any_matches
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.services import Endpoint, EndpointSlice, Service, TrafficPolicy
from metalev.model.snapshot import Snapshot

METALLB = "a speaker of MetalLB"
GIVES_WAY = f"nobody takes it while {METALLB} comes up"


def of_advertisements(service: Service, pool: Pool | None, snapshot: Snapshot) -> Finding:
    """Which L2Advertisements announce the Service, or why none does."""
    found = sorted(snapshot.l2_advertisements.values(), key=lambda one: one.name)
    held = listed(service.status.addresses)
    if pool is None:
        return no("advertised", f"{held} is in no pool, so nothing advertises it", "put it back into a pool")
    misses = [(one, _miss(one, pool, service)) for one in found]
    matching = [one for one, miss in misses if not miss]
    name = pool.name.name
    if not found:
        text = f"nobody advertises {held}: there is no L2Advertisement"
        return no("advertised", text, f"create an L2Advertisement with ipAddressPools: [{name}]")
    if not matching:
        text = f"nobody advertises {held} of pool {name}: no L2Advertisement is for this pool and Service"
        details = [f"{one.name.name} {miss}" for one, miss in misses]
        advice = f"create an L2Advertisement with ipAddressPools: [{name}], or widen one of these"
        return no("advertised", text, advice, *details[:5])
    if shares(service) and any(one.service_selectors for one in matching):
        text = f"{held} may be shared, and an L2Advertisement with serviceSelectors announces no such address"
        return no("advertised", text, "remove its serviceSelectors, or the Service's metallb.io/allow-shared-ip")
    return yes("advertised", f"by L2Advertisement {listed([_described(one) for one in matching])}")


def unread_advertisement(missing: Finding, *, legacy: bool) -> Finding:
    """Speakers announce the address although no L2Advertisement for it can be read: they read one before.

    ``legacy``: it may stand in MetalLB's old ConfigMap, of which a speaker that starts knows enough.
    """
    advice = "correct what cannot be read: a speaker that starts meanwhile does not announce it"
    if legacy:
        advice = "correct what cannot be read: until then what was announced before is announced, and nothing new"
    return mind(
        "advertised",
        "the speakers go by what they read before, for not everything can be read now",
        advice,
        missing.text,
    )


def of_endpoints(service: Service, slices: Mapping[Name, EndpointSlice], unheard: Container[str] = ()) -> Finding:
    """Who stands behind the Service, and where. ``unheard`` are the nodes that may be dead."""
    families = _by_family(slices)
    # A pod of both families is an endpoint in each, and one pod all the same.
    endpoints = max(families.values(), key=len, default=[])
    ready = max((_serving(one) for one in families.values()), key=len, default=[])
    if ready:
        waiting = f" ({len(endpoints) - len(ready)} more not ready)" if len(ready) < len(endpoints) else ""
        astray = [one for one in service.status.addresses if not _serving(families[one.version])]
        return _of_ready(service, ready, waiting, astray, unheard)
    if endpoints:
        text = f"no endpoint of {service.name} is ready: {len(endpoints)} are not"
        places = listed([f"{listed(one.addresses)} on {one.node or 'no node'}" for one in endpoints])
        return no("endpoints", text, "look at the pods' readiness and their events", places)
    text = f"{service.name} has no endpoints, so its address would lead nowhere"
    chosen = ",".join(f"{label}={value}" for label, value in sorted(service.selector.items()))
    if chosen:
        return no(
            "endpoints", text, f"run pods with the labels {chosen} in {service.name.namespace}, or correct the selector"
        )
    return no("endpoints", text, "give the Service a selector, or EndpointSlices labelled kubernetes.io/service-name")


def _of_ready(
    service: Service, ready: Sequence[Endpoint], waiting: str, astray: Sequence[IPAddress], unheard: Container[str]
) -> Finding:
    """Of ``ready`` ones. ``astray`` are the addresses whose family none of them has."""
    nodes = Counter(one.node or "no node that is named" for one in ready)
    text = f"{len(ready)} ready: {listed([f'{count} on {node}' for node, count in sorted(nodes.items())])}{waiting}"
    if not any(one.node for one in ready) and service.traffic_policy is TrafficPolicy.LOCAL:
        advice = "give them a nodeName: under externalTrafficPolicy Local it decides who may announce"
        return mind("endpoints", text, advice)
    if lost := sum(one.node in unheard for one in ready):
        text += f"; but {lost} of them on nodes that may be dead"
        return mind("endpoints", text, "look at these nodes: until their pods are not ready, connections end there")
    if astray:
        text += f"; but none of them by IPv{astray[0].version}, so {listed(astray)} leads nowhere"
        return mind("endpoints", text, "give the pods addresses of both families, or the Service one of ipFamilies")
    return yes("endpoints", text)


def _by_family(slices: Mapping[Name, EndpointSlice]) -> Mapping[Family, list[Endpoint]]:
    found: dict[Family, list[Endpoint]] = {4: [], 6: []}
    for one in slices.values():
        found[one.family] += one.endpoints
    return found


def _serving(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    return [one for one in endpoints if one.serves]


def of_nodes(
    announcement: Announcement, together: Sequence[Name], nobody: str, coming_up: Mapping[str, SpeakerPod]
) -> Finding:
    """Which nodes may announce, in which order, and why the others may not.

    ``announcement`` is that of the whole group, ``together`` all Services in it. ``nobody`` is what the controller says
    if there is no candidate. ``coming_up`` are the pods of MetalLB's speakers that are not ready, by their node.
    """
    if not announcement.candidates:
        if Why.METALLB in announcement.excluded.values():
            return mind("nodes", f"{METALLB} still announces it", ADVICE[Why.METALLB])
        return no("nodes", nobody, "")
    excluded = [f"not {node}: {_explained(why)}" for node, why in sorted(announcement.excluded.items())]
    shared = [f"for {listed(together)} together: they share an address"] if len(together) > 1 else []
    order = listed([one.node for one in announcement.candidates])
    text = f"{order} may announce" + (", in this order" if len(announcement.candidates) > 1 else "")
    if announcement.gives_way:
        return _gives_way(announcement, coming_up, *shared, *_folded(excluded))
    return yes("nodes", text, *shared, *_folded(excluded))


def goes_on(nobody: Finding, announcers: Sequence[str]) -> Finding:
    """What there is to say of the nodes if none may announce, and whoever announces goes on: it is the last."""
    text = f"{listed(announcers)} goes on as the last announcer, though no node may announce it"
    advice = "let a node announce it: this one withdraws only for another, and nobody takes over if it dies"
    return mind("nodes", text, advice, nobody.text, *nobody.details)


def _gives_way(announcement: Announcement, coming_up: Mapping[str, SpeakerPod], *details: str) -> Finding:
    """What whoever announces waits for, and until when."""
    theirs = [node for node, why in sorted(announcement.excluded.items()) if why is Why.METALLB]
    pods = [f"{coming_up[node].name} on {node}" if node in coming_up else node for node in theirs]
    text = (
        f"{METALLB} comes up ({listed(pods)}): whichever of {listed([one.node for one in announcement.candidates])} "
        "announces goes on until that one is heard to answer or its pod is Ready, and nobody takes an address meanwhile"
    )
    advice = (
        "it lasts until that pod is Ready or gone: look at it (kubectl describe pod), or delete it with what made it"
    )
    return mind("nodes", text, advice, *details)


def _miss(advertisement: L2Advertisement, pool: Pool, service: Service) -> str:
    """Why an advertisement is not for this pool and Service; empty if it is."""
    by_label = any(selector.matches(pool.labels) for selector in advertisement.pool_selectors)
    every = not advertisement.pools and not advertisement.pool_selectors
    if not (every or by_label or pool.name.name in advertisement.pools):
        pools = listed(advertisement.pools) or "those that its ipAddressPoolSelectors choose"
        return f"is for the pools {pools}"
    if not any_matches(advertisement.service_selectors, service.labels):
        return "is for other Services: its serviceSelectors do not match the Service's labels"
    return ""


def _described(one: L2Advertisement) -> str:
    limits = [f"on {listed(one.interfaces)}"] if one.interfaces else []
    limits += ["from some nodes"] if one.node_selectors else []
    return one.name.name + (f" ({', '.join(limits)})" if limits else "")


def _explained(why: Why) -> str:
    return f"{why} ({ADVICE[why]})" if why in ADVICE else str(why)


def _folded(lines: list[str], limit: int = 10) -> list[str]:
    """The first few lines: a cluster may have thousands of nodes."""
    return lines[:limit] + ([f"and {len(lines) - limit} more nodes"] if len(lines) > limit else [])

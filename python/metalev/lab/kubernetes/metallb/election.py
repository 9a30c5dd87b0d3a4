"""Who announces a Service, by MetalLB's rules, on what the API and the memberlist say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from ipaddress import ip_address, ip_network

from metalev.lab.kubernetes.api import Object
from metalev.model.address import IPAddress

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
KINDS = ("services", "endpointslices", "nodes", "ipaddresspools", "l2advertisements")
SERVICE_OF = "kubernetes.io/service-name"


def announced_here(
    me: str, members: Collection[str] | None, known: Mapping[str, Collection[Object]]
) -> Iterator[IPAddress]:
    """The addresses that this node announces, by the objects ``known`` of each of the ``KINDS``.

    ``members`` None means that there is no memberlist, and every Node counts.
    """
    slices, nodes, pools, advertisements = (known[kind] for kind in KINDS[1:])
    for service in known["services"]:
        addresses = addresses_of(service)
        pool = next((one for one in pools if addresses and all(contains(one, each) for each in addresses)), None)
        if pool is None or service["spec"].get("type") != "LoadBalancer" or service["spec"].get("loadBalancerClass"):
            continue
        serving = serving_nodes(service, slices)
        matching = [one for one in advertisements if is_for(one, pool, service)]
        usable = {one["metadata"]["name"] for one in nodes if fit(one) and any(names(each, one) for each in matching)}
        if members is not None:
            usable &= set(members)
        if service["spec"].get("externalTrafficPolicy") == "Local":
            usable &= serving
        if serving and usable and first(usable, addresses[0]) == me:
            yield from addresses


def first(nodes: Iterable[str], address: IPAddress) -> str:
    """The winner among ``nodes``."""
    return min(nodes, key=lambda node: sha256(f"{node}#{address}".encode()).digest())


def addresses_of(service: Object) -> list[IPAddress]:
    """What its status holds."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", ())
    return [ip_address(entry["ip"]) for entry in ingress]


def contains(pool: Object, address: IPAddress) -> bool:
    """Whether an address is a pool's."""
    for text in pool["spec"]["addresses"]:
        if "-" in text:
            low, high = (ip_address(end.strip()) for end in text.split("-"))
            if low.version == high.version == address.version and int(low) <= int(address) <= int(high):
                return True
        elif address in ip_network(text, strict=False):
            return True
    return False


def serving_nodes(service: Object, slices: Iterable[Object]) -> set[str]:
    """The nodes with an endpoint that serves."""
    key = service["metadata"].get("namespace"), service["metadata"]["name"]
    own = (
        one
        for one in slices
        if (one["metadata"].get("namespace"), one["metadata"].get("labels", {}).get(SERVICE_OF)) == key
    )
    endpoints = (endpoint for one in own for endpoint in one.get("endpoints") or ())
    return {endpoint["nodeName"] for endpoint in endpoints if _serves(endpoint.get("conditions", {}))}


def _serves(conditions: Object) -> bool:
    return conditions.get("ready") in {None, True} or conditions.get("serving") is True


def fit(node: Object) -> bool:
    """Whether nothing on the Node itself keeps it from announcing."""
    conditions = node.get("status", {}).get("conditions", ())
    cut_off = any(one["type"] == "NetworkUnavailable" and one["status"] == "True" for one in conditions)
    return not cut_off and EXCLUDE not in node["metadata"].get("labels", {})


def is_for(advertisement: Object, pool: Object, service: Object) -> bool:
    """Whether an L2Advertisement is for a pool and a Service."""
    spec = advertisement.get("spec", {})
    pools, selectors = spec.get("ipAddressPools", ()), spec.get("ipAddressPoolSelectors", ())
    by_pool = not pools and not selectors
    by_pool = by_pool or pool["metadata"]["name"] in pools or any(_selects(one, pool) for one in selectors)
    return by_pool and _any(spec.get("serviceSelectors", ()), service)


def names(advertisement: Object, node: Object) -> bool:
    """Whether an L2Advertisement lets a node announce."""
    return _any(advertisement.get("spec", {}).get("nodeSelectors", ()), node)


def _any(selectors: Collection[Object], item: Object) -> bool:
    return not selectors or any(_selects(one, item) for one in selectors)


def _selects(selector: Object, item: Object) -> bool:
    if selector.get("matchExpressions"):
        message = "the stand-in reads matchLabels only"
        raise NotImplementedError(message)
    return bool(selector.get("matchLabels", {}).items() <= item["metadata"].get("labels", {}).items())

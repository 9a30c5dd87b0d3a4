"""MetalLB's resources (``metallb.io/v1beta1``)."""

from __future__ import annotations

from collections.abc import Sequence

from metalev.adapters.codec import wire
from metalev.adapters.codec.fields import BadField, parse_address
from metalev.model.address import WRITE_RANGES, AddressRange
from metalev.model.errors import BadValue
from metalev.model.meta import Expression, LabelSelector, Name, Operator
from metalev.model.pools import (
    PREEMPT_ANNOTATION,
    L2Advertisement,
    Pool,
    PoolStatus,
    Preference,
    Resting,
    ServiceAllocation,
)

_WITH_VALUES = frozenset({Operator.IN, Operator.NOT_IN})


def pool(document: wire.Pool, name: Name) -> Pool:
    """Read an IPAddressPool. One range that cannot be read makes the whole of it unusable, as in MetalLB."""
    metadata, spec = document.metadata, document.spec
    if not spec.addresses:
        raise BadField("spec.addresses", f"pool has no prefixes defined: {WRITE_RANGES}")
    return Pool(
        name=name,
        version=metadata.resource_version,
        ranges=tuple(parse_range(text, f"spec.addresses[{index}]") for index, text in enumerate(spec.addresses)),
        auto_assign=spec.auto_assign,
        avoid_buggy_ips=spec.avoid_buggy_ips,
        allocation=_allocation(spec.service_allocation) if spec.service_allocation else None,
        labels=metadata.labels,
    )


def pool_status(document: wire.PoolStatus) -> PoolStatus:
    """Read what the controller wrote of a pool."""
    return PoolStatus(
        document.assigned_ipv4,
        document.assigned_ipv6,
        document.available_ipv4,
        document.available_ipv6,
        tuple(_resting(item, f"status.resting[{index}]") for index, item in enumerate(document.resting)),
    )


def _resting(item: wire.Resting, path: str) -> Resting:
    namespace, _, name = item.service.rpartition("/")
    address = parse_address(item.address, f"{path}.address")
    return Resting(address, Name(namespace, name), int(item.until.timestamp()))


def l2_advertisement(document: wire.L2Advertisement, name: Name) -> L2Advertisement:
    """Read an L2Advertisement; without a spec it announces every pool from every node."""
    spec = document.spec
    return L2Advertisement(
        name=name,
        version=document.metadata.resource_version,
        pools=tuple(spec.ip_address_pools),
        pool_selectors=_selectors(spec.ip_address_pool_selectors, "spec.ipAddressPoolSelectors"),
        node_selectors=_selectors(spec.node_selectors, "spec.nodeSelectors"),
        service_selectors=_selectors(spec.service_selectors, "spec.serviceSelectors"),
        interfaces=tuple(spec.interfaces),
        preferences=tuple(
            Preference(item.weight, _selector(item.preference, f"spec.preferredNodeSelectors[{index}].preference"))
            for index, item in enumerate(spec.preferred_node_selectors)
        ),
        preempt=document.metadata.annotations.get(PREEMPT_ANNOTATION, ""),
    )


def parse_range(text: str, path: str) -> AddressRange:
    """Read a CIDR or a range that stands at ``path``. Raises :class:`BadField`."""
    try:
        return AddressRange.parse(text)
    except BadValue as error:
        raise BadField(path, str(error)) from None


def _allocation(spec: wire.ServiceAllocation) -> ServiceAllocation:
    path = "spec.serviceAllocation"
    return ServiceAllocation(
        priority=spec.priority,
        namespaces=tuple(spec.namespaces),
        namespace_selectors=_selectors(spec.namespace_selectors, f"{path}.namespaceSelectors"),
        service_selectors=_selectors(spec.service_selectors, f"{path}.serviceSelectors"),
    )


def _selectors(selectors: Sequence[wire.Selector], path: str) -> tuple[LabelSelector, ...]:
    return tuple(_selector(selector, f"{path}[{index}]") for index, selector in enumerate(selectors))


def _selector(selector: wire.Selector, path: str) -> LabelSelector:
    return LabelSelector(
        selector.match_labels,
        tuple(
            check_expression(item, f"{path}.matchExpressions[{index}]")
            for index, item in enumerate(selector.match_expressions)
        ),
    )


def check_expression(item: wire.SelectorRequirement, path: str) -> Expression:
    """The API server's own rule (``metav1.LabelSelectorRequirement``), which no one applies to a file."""
    if item.operator in _WITH_VALUES and not item.values:
        raise BadField(f"{path}.values", f"operator {item.operator} needs at least one value")
    if item.operator not in _WITH_VALUES and item.values:
        raise BadField(f"{path}.values", f"operator {item.operator} takes no values")
    return Expression(item.key, item.operator, tuple(item.values))

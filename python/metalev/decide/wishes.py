"""What a Service asks for: the annotations, and the older ways of saying the same."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

from metalev.decide.words import quoted, quoted_list
from metalev.model.address import IPAddress
from metalev.model.errors import BadValue
from metalev.model.services import Service

PREFIX = "metallb.io/"
DEPRECATED_PREFIX = "metallb.universe.tf/"

ADDRESS_POOL = "address-pool"
LOAD_BALANCER_IPS = "loadBalancerIPs"
ALLOW_SHARED_IP = "allow-shared-ip"


def requested_pool(service: Service) -> str:
    """The pool that the Service names, or nothing."""
    return _annotation(service, ADDRESS_POOL)


def requested_addresses(service: Service) -> tuple[IPAddress, ...]:
    """The addresses that the Service names, at most one of each family, as it orders them.

    Raises :class:`BadValue` in MetalLB's words.
    """
    listed = _annotation(service, LOAD_BALANCER_IPS)
    if listed and service.load_balancer_ip:
        raise BadValue(f"service can not have both {PREFIX}{LOAD_BALANCER_IPS} and svc.Spec.LoadBalancerIP")
    if listed:
        return _parse_list(listed)
    if not service.load_balancer_ip:
        return ()
    try:
        return (_address(service.load_balancer_ip),)
    except ValueError:
        raise BadValue(f"invalid spec.loadBalancerIP {quoted(service.load_balancer_ip)}") from None


def sharing_key(service: Service) -> str:
    """The key that it shares its address under, or nothing."""
    return _annotation(service, ALLOW_SHARED_IP)


def shares(service: Service) -> bool:
    """Whether the Service offers to share its address."""
    return bool(sharing_key(service))


def check_families(addresses: Sequence[IPAddress]) -> None:
    """At most one address of each family. Raises :class:`BadValue` in MetalLB's words for anything else."""
    if len(addresses) > 2:
        raise BadValue(f"IPFamilyForAddresses: invalid ips length {len(addresses)} {quoted_list(addresses)}")
    if len(addresses) == 2 and addresses[0].version == addresses[1].version:
        raise BadValue(f"IPFamilyForAddresses: same address family {quoted_list(addresses)}")


def deprecated_annotations(service: Service) -> tuple[str, ...]:
    """The annotations by which the Service asks for something in MetalLB's older spelling."""
    names = (f"{DEPRECATED_PREFIX}{name}" for name in (ADDRESS_POOL, LOAD_BALANCER_IPS, ALLOW_SHARED_IP))
    return tuple(name for name in names if name in service.annotations)


def _annotation(service: Service, name: str) -> str:
    """The value of an annotation; the newer spelling wins, even when it is empty."""
    older = service.annotations.get(DEPRECATED_PREFIX + name, "")
    return service.annotations.get(PREFIX + name, older)


def _parse_list(listed: str) -> tuple[IPAddress, ...]:
    try:
        addresses = tuple(_address(text.strip()) for text in listed.split(","))
    except ValueError:
        raise BadValue(f"invalid {PREFIX}{LOAD_BALANCER_IPS}: {quoted(listed)}") from None
    check_families(addresses)
    return addresses


def _address(text: str) -> IPAddress:
    """Read an address as Go does: a mapped one is an IPv4 address, and one with a zone is none (``ValueError``)."""
    address = ip_address(text)
    if not isinstance(address, IPv6Address):
        return address
    if address.scope_id is not None:
        raise ValueError(text)
    return address.ipv4_mapped or address

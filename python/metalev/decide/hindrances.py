"""Why a Service gets nothing new, whatever is free."""

from __future__ import annotations

from msgspec import Struct

from metalev.decide.wishes import check_families
from metalev.decide.words import quoted_list
from metalev.model.errors import BadValue
from metalev.model.services import FamilyPolicy, Service


class Hindrance(Struct, frozen=True):
    """Why a Service gets nothing new; MetalLB warns and stops there, so it keeps what it has."""

    reason: str
    message: str
    event_reason: str


def hindrance(service: Service) -> Hindrance | None:
    """What stops ``service`` from getting anything; ``None`` if nothing does."""
    try:
        check_families(service.cluster_ips)
    except BadValue as error:
        message = f"Failed to retrieve ClusterIPs IPFamily for {quoted_list(service.cluster_ips)}"
        message += f" {service.cluster_ips[0]}: {error}"
        return Hindrance("noclusterIPsIPFamily", message, "noclusterIPsIPFamily")
    if service.family_policy is FamilyPolicy.REQUIRE and len(service.families) < 2:
        message = f"Service requires dual stack but not enough clusterips [{' '.join(map(str, service.cluster_ips))}]"
        return Hindrance("NotEnoughClusterIPs", message, "not enough clusterips")
    return None

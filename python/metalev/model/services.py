"""Services, what stands behind them, and what metalev says of them."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from metalev.model.address import Family, IPAddress
from metalev.model.meta import Labels, Name


class TrafficPolicy(StrEnum):
    """``spec.externalTrafficPolicy``."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class FamilyPolicy(StrEnum):
    """``spec.ipFamilyPolicy``."""

    SINGLE = "SingleStack"
    PREFER = "PreferDualStack"
    REQUIRE = "RequireDualStack"


class Port(Struct, frozen=True, order=True):
    """One port of a Service."""

    protocol: str
    port: int
    name: str = ""
    target: int | str = 0


class ConditionStatus(StrEnum):
    """``metav1.ConditionStatus``."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Struct, frozen=True):
    """What metalev says about an object: ``type`` holds or not, and why, in words a person can act on."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def by_type(*conditions: Condition) -> tuple[Condition, ...]:
    """Conditions in the order that makes equal ones equal: an API server keeps a map, in its own order."""
    return tuple(sorted(conditions, key=lambda one: one.type))


class ServiceStatus(Struct, frozen=True):
    """The part of a Service that metalev writes.

    ``addresses`` is ``status.loadBalancer.ingress``, the only persisted state of allocation. ``pool`` is the annotation
    ``metallb.io/ip-allocated-from-pool``, ``conditions`` are ordered :func:`by_type`.
    """

    addresses: tuple[IPAddress, ...] = ()
    pool: str = ""
    conditions: tuple[Condition, ...] = ()


class Service(Struct, frozen=True):
    """A Service as far as metalev reads it.

    ``families`` are the families it can be reached by, primary first; empty means that it has no ClusterIP, so there is
    nothing to lead traffic to. ``version`` is opaque: equal versions are equal objects. ``created`` is in seconds since
    1970, ``None`` where nobody says it. ``awaited`` is ``None`` unless it is being deleted: then the finalizers that it
    still waits for. Until it is gone it is a Service like any other.

    A ``hidden`` one cannot be read: nothing is known but ``name`` and ``status``, what metalev wrote of it before.
    """

    name: Name
    version: str = ""
    type: str = "ClusterIP"
    families: tuple[Family, ...] = (4,)
    family_policy: FamilyPolicy = FamilyPolicy.SINGLE
    cluster_ips: tuple[IPAddress, ...] = ()
    load_balancer_ip: str = ""
    load_balancer_class: str | None = None
    traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    session_affinity_seconds: int | None = None
    ports: tuple[Port, ...] = ()
    selector: Labels = {}
    labels: Labels = {}
    annotations: Labels = {}
    status: ServiceStatus = ServiceStatus()
    created: int | None = None
    awaited: tuple[str, ...] | None = None
    hidden: bool = False

    @property
    def wants_address(self) -> bool:
        """Whether it is of the type that metalev serves."""
        return self.type == "LoadBalancer"


class Endpoint(Struct, frozen=True):
    """One pod (or other target) behind a Service; ``ready`` and ``serving`` unset mean yes (EndpointConditions)."""

    addresses: tuple[str, ...]
    node: str = ""
    ready: bool | None = None
    serving: bool | None = None

    @property
    def serves(self) -> bool:
        """MetalLB's rule: ready, or still serving while it terminates. Unset, one is as the other says; both, true.

        Ready and not serving are the pods of a Service with ``publishNotReadyAddresses``: service proxies use them.
        """
        if self.ready:
            return True
        return self.ready is None if self.serving is None else self.serving


class EndpointSlice(Struct, frozen=True):
    """A part of a Service's endpoints; ``service`` comes from the label ``kubernetes.io/service-name``."""

    name: Name
    service: Name
    version: str = ""
    family: Family = 4
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Port, ...] = ()

"""The fields of Kubernetes' and MetalLB's objects that metalev reads, as they stand in JSON.

Each class is named after the part of the document that it is.
"""
# ruff: noqa: D101  (a sentence for each would say its name again)

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from metalev.model.meta import Operator
from metalev.model.services import ConditionStatus

PortNumber: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Protocol: TypeAlias = Literal["TCP", "UDP", "SCTP"]
Strings: TypeAlias = dict[str, str]


class Wire(Struct, rename="camel", frozen=True):
    """A part of a document; what is not named in it is not read."""


class Identity(Wire, frozen=True):
    name: str
    namespace: str = ""


class Metadata(Identity, frozen=True):
    labels: Strings = {}
    annotations: Strings = {}
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: list[str] = []


class Header(Wire, frozen=True):
    """What every object begins with."""

    kind: str
    api_version: str
    metadata: Identity


class Stamp(Identity, frozen=True):
    uid: str = ""
    generation: int = 0
    resource_version: str = ""


class Stamped(Wire, frozen=True):
    """What tells one version of an object on an API server from another."""

    metadata: Stamp


class SelectorRequirement(Wire, frozen=True):
    key: str
    operator: Operator
    values: list[str] = []


class Selector(Wire, frozen=True):
    match_labels: Strings = {}
    match_expressions: list[SelectorRequirement] = []


# --- Service ---


class ServicePort(Wire, frozen=True):
    port: PortNumber
    name: str = ""
    protocol: Protocol = "TCP"
    target_port: PortNumber | str | None = None


class ClientIPConfig(Wire, frozen=True):
    timeout_seconds: int = 10800


class SessionAffinityConfig(Wire, frozen=True):
    client_ip: ClientIPConfig = field(default=ClientIPConfig(), name="clientIP")


class ServiceSpec(Wire, frozen=True):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: list[str] = field(default=[], name="clusterIPs")
    ip_families: list[Literal["IPv4", "IPv6"]] = []
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    load_balancer_ip: str = field(default="", name="loadBalancerIP")
    load_balancer_class: str | None = None
    external_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    session_affinity: Literal["None", "ClientIP"] = "None"
    session_affinity_config: SessionAffinityConfig = SessionAffinityConfig()
    ports: list[ServicePort] = []
    selector: Strings = {}


class Ingress(Wire, frozen=True):
    ip: str = ""


class LoadBalancer(Wire, frozen=True):
    ingress: list[Ingress] = []


class Condition(Wire, frozen=True):
    type: str
    status: ConditionStatus
    reason: str = ""
    message: str = ""


class ServiceStatus(Wire, frozen=True):
    load_balancer: LoadBalancer = LoadBalancer()
    conditions: list[Condition] = []


class Service(Wire, frozen=True):
    metadata: Metadata
    spec: ServiceSpec
    status: ServiceStatus = ServiceStatus()


class ServiceStatusDocument(Wire, frozen=True):
    """A Service of which only metadata and status were written."""

    metadata: Metadata
    status: ServiceStatus


# --- EndpointSlice ---


class EndpointConditions(Wire, frozen=True):
    ready: bool | None = None
    serving: bool | None = None


class Endpoint(Wire, frozen=True):
    addresses: list[str]
    node_name: str = ""
    conditions: EndpointConditions = EndpointConditions()


class EndpointPort(Wire, frozen=True):
    name: str = ""
    protocol: Protocol = "TCP"
    port: PortNumber | None = None


class EndpointSlice(Wire, frozen=True):
    metadata: Metadata
    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: list[Endpoint] = []
    ports: list[EndpointPort] = []


# --- Node, Namespace, Secret ---


class NodeAddress(Wire, frozen=True):
    type: str
    address: str


class NodeCondition(Wire, frozen=True):
    type: str
    status: str = ""


class NodeStatus(Wire, frozen=True):
    addresses: list[NodeAddress] = []
    conditions: list[NodeCondition] = []


class Taint(Wire, frozen=True):
    key: str


class NodeSpec(Wire, frozen=True):
    taints: list[Taint] = []


class Node(Wire, frozen=True):
    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Namespace(Wire, frozen=True):
    metadata: Metadata


class Secret(Wire, frozen=True):
    metadata: Metadata
    data: Strings = {}
    string_data: Strings = {}


class EnvVar(Wire, frozen=True):
    name: str


class Container(Wire, frozen=True):
    env: list[EnvVar] = []


class PodSpec(Wire, frozen=True):
    node_name: str = ""
    containers: list[Container] = []


class ContainerState(Wire, frozen=True):
    running: dict[str, object] | None = None


class ContainerStatus(Wire, frozen=True):
    name: str = ""
    state: ContainerState = ContainerState()


class PodStatus(Wire, frozen=True):
    phase: str = ""
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []


class Pod(Wire, frozen=True):
    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ConfigMap(Wire, frozen=True):
    metadata: Metadata
    data: dict[str, object] = {}


# --- metallb.io ---


class ServiceAllocation(Wire, frozen=True):
    priority: int = 0
    namespaces: list[str] = []
    namespace_selectors: list[Selector] = []
    service_selectors: list[Selector] = []


class PoolSpec(Wire, frozen=True):
    addresses: list[str]
    auto_assign: bool = True
    avoid_buggy_ips: bool = field(default=False, name="avoidBuggyIPs")
    service_allocation: ServiceAllocation | None = None


class Pool(Wire, frozen=True):
    metadata: Metadata
    spec: PoolSpec


class Resting(Wire, frozen=True):
    address: str
    service: str
    until: datetime


class PoolStatus(Wire, frozen=True):
    assigned_ipv4: int = field(default=0, name="assignedIPv4")
    assigned_ipv6: int = field(default=0, name="assignedIPv6")
    available_ipv4: int = field(default=0, name="availableIPv4")
    available_ipv6: int = field(default=0, name="availableIPv6")
    resting: list[Resting] = []


class PoolStatusDocument(Wire, frozen=True):
    """An IPAddressPool of which only the status was written."""

    metadata: Metadata
    status: PoolStatus


class Preference(Wire, frozen=True):
    weight: Annotated[int, Meta(ge=1, le=100)]
    preference: Selector


class L2AdvertisementSpec(Wire, frozen=True):
    ip_address_pools: list[str] = []
    ip_address_pool_selectors: list[Selector] = []
    node_selectors: list[Selector] = []
    service_selectors: list[Selector] = []
    interfaces: list[str] = []
    preferred_node_selectors: list[Preference] = []


class L2Advertisement(Wire, frozen=True):
    metadata: Metadata
    spec: L2AdvertisementSpec = L2AdvertisementSpec()


# --- metalev.io ---


class Holding(Wire, frozen=True):
    group: str
    addresses: list[str] = []
    services: list[str] = []
    term: int = 0
    cause: str = ""
    interfaces: list[str] = []


class Conflict(Wire, frozen=True):
    address: str
    mac: str = ""
    interface: str = ""
    cause: str = ""
    since: datetime | None = None


class Patience(Wire, frozen=True):
    node: str
    seconds: float = 0.0
    cause: str = ""


class SpeakerStatus(Wire, frozen=True):
    holdings: list[Holding] = []
    peers_heard: list[str] = []
    interfaces: list[str] = []
    problems: list[str] = []
    local_addresses: list[str] = []
    gateways: list[str] = []
    conflicts: list[Conflict] = []
    clean: list[str] = []
    patience: list[Patience] = []


class SpeakerState(Wire, frozen=True):
    metadata: Metadata
    status: SpeakerStatus = SpeakerStatus()


class DrillSpec(Wire, frozen=True):
    address: str
    nodes: list[str]
    mode: Literal["move", "crash"]
    seconds: int = 30


class Drill(Wire, frozen=True):
    metadata: Metadata
    spec: DrillSpec

"""The fields of Kubernetes' and MetalLB's objects that metalev reads, as they stand in JSON.

Each class is named after the part of the document that it is.
"""
# ruff: noqa: D101  (a sentence for each would say its name again)

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from metalev.model.meta import Operator
from metalev.model.services import ConditionStatus

PortNumber: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Protocol: TypeAlias = Literal["TCP", "UDP", "SCTP"]
Strings: TypeAlias = dict[str, str]


class Wire(Struct, rename="camel", frozen=True):
    """A part of a document; what is not named in it is not read."""


class Identity(Wire):
    name: str
    namespace: str = ""


class Metadata(Identity, frozen=True):
    labels: Strings = {}
    annotations: Strings = {}
    resource_version: str = ""


class Header(Wire):
    """What every object begins with."""

    kind: str
    api_version: str
    metadata: Identity


class SelectorRequirement(Wire):
    key: str
    operator: Operator
    values: list[str] = []


class Selector(Wire):
    match_labels: Strings = {}
    match_expressions: list[SelectorRequirement] = []


# --- Service ---


class ServicePort(Wire):
    port: PortNumber
    name: str = ""
    protocol: Protocol = "TCP"
    target_port: PortNumber | str | None = None


class ClientIPConfig(Wire):
    timeout_seconds: int = 10800


class SessionAffinityConfig(Wire):
    client_ip: ClientIPConfig = field(default=ClientIPConfig(), name="clientIP")


class ServiceSpec(Wire):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: list[str] = field(default=[], name="clusterIPs")
    ip_families: list[Literal["IPv4", "IPv6"]] = []
    load_balancer_ip: str = field(default="", name="loadBalancerIP")
    load_balancer_class: str | None = None
    external_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    session_affinity: Literal["None", "ClientIP"] = "None"
    session_affinity_config: SessionAffinityConfig = SessionAffinityConfig()
    ports: list[ServicePort] = []
    selector: Strings = {}


class Ingress(Wire):
    ip: str = ""


class LoadBalancer(Wire):
    ingress: list[Ingress] = []


class Condition(Wire):
    type: str
    status: ConditionStatus
    reason: str = ""
    message: str = ""


class ServiceStatus(Wire):
    load_balancer: LoadBalancer = LoadBalancer()
    conditions: list[Condition] = []


class Service(Wire):
    metadata: Metadata
    spec: ServiceSpec
    status: ServiceStatus = ServiceStatus()


class ServiceStatusDocument(Wire):
    """A Service of which only metadata and status were written."""

    metadata: Metadata
    status: ServiceStatus


# --- EndpointSlice ---


class EndpointConditions(Wire):
    ready: bool | None = None
    serving: bool | None = None


class Endpoint(Wire):
    addresses: list[str]
    node_name: str = ""
    conditions: EndpointConditions = EndpointConditions()


class EndpointPort(Wire):
    name: str = ""
    protocol: Protocol = "TCP"
    port: PortNumber | None = None


class EndpointSlice(Wire):
    metadata: Metadata
    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: list[Endpoint] = []
    ports: list[EndpointPort] = []


# --- Node, Namespace, Secret ---


class NodeAddress(Wire):
    type: str
    address: str


class NodeCondition(Wire):
    type: str
    status: str = ""


class NodeStatus(Wire):
    addresses: list[NodeAddress] = []
    conditions: list[NodeCondition] = []


class Node(Wire):
    metadata: Metadata
    status: NodeStatus = NodeStatus()


class Namespace(Wire):
    metadata: Metadata


class Secret(Wire):
    metadata: Metadata
    data: Strings = {}
    string_data: Strings = {}


# --- metallb.io ---


class ServiceAllocation(Wire):
    priority: int = 0
    namespaces: list[str] = []
    namespace_selectors: list[Selector] = []
    service_selectors: list[Selector] = []


class PoolSpec(Wire):
    addresses: list[str]
    auto_assign: bool = True
    avoid_buggy_ips: bool = field(default=False, name="avoidBuggyIPs")
    service_allocation: ServiceAllocation | None = None


class Pool(Wire):
    metadata: Metadata
    spec: PoolSpec


class Preference(Wire):
    weight: Annotated[int, Meta(ge=1, le=100)]
    preference: Selector


class L2AdvertisementSpec(Wire):
    ip_address_pools: list[str] = []
    ip_address_pool_selectors: list[Selector] = []
    node_selectors: list[Selector] = []
    service_selectors: list[Selector] = []
    interfaces: list[str] = []
    preferred_node_selectors: list[Preference] = []


class L2Advertisement(Wire):
    metadata: Metadata
    spec: L2AdvertisementSpec = L2AdvertisementSpec()


# --- metalev.io ---


class Holding(Wire):
    group: str
    addresses: list[str] = []
    services: list[str] = []
    term: int = 0
    cause: str = ""


class SpeakerStatus(Wire):
    holdings: list[Holding] = []
    peers_heard: list[str] = []
    interfaces: list[str] = []
    problems: list[str] = []


class SpeakerState(Wire):
    metadata: Metadata
    status: SpeakerStatus = SpeakerStatus()

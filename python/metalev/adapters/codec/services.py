"""Services, their status and their endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from metalev.adapters.codec import wire
from metalev.adapters.codec.fields import BadField, parse_address
from metalev.decide import misspelt
from metalev.model.address import Family, IPAddress
from metalev.model.legacy import Remark
from metalev.model.meta import Name
from metalev.model.services import (
    Condition,
    Endpoint,
    EndpointSlice,
    FamilyPolicy,
    Port,
    Service,
    ServiceStatus,
    TrafficPolicy,
    by_type,
)

OUR_PREFIX = "metalev.io/"
METALLB_ANNOTATIONS = ("metallb.io/", "metallb.universe.tf/")
OUR_ANNOTATIONS = (*METALLB_ANNOTATIONS, OUR_PREFIX)
POOL_ANNOTATION = "metallb.io/ip-allocated-from-pool"
OLD_POOL_ANNOTATION = "metallb.universe.tf/ip-allocated-from-pool"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_FAMILY: Mapping[str, Family] = {"IPv4": 4, "IPv6": 6}


def service(document: wire.Service, name: Name, default_families: tuple[Family, ...]) -> Service:
    """Read a Service; only annotations of MetalLB and metalev are kept."""
    metadata, spec = document.metadata, document.spec
    if spec.type == "LoadBalancer" and not spec.ports:
        # Kubernetes wants it too. Here it also tells a document that was cut in the middle from a whole one.
        raise BadField("spec.ports", "a Service of type LoadBalancer needs at least one port")
    addresses = _cluster_ips(spec)
    return Service(
        name=name,
        version=metadata.resource_version,
        type=spec.type,
        families=_families(spec, addresses, default_families),
        family_policy=FamilyPolicy(spec.ip_family_policy or FamilyPolicy.SINGLE),
        cluster_ips=addresses or (),
        load_balancer_ip=spec.load_balancer_ip,
        load_balancer_class=spec.load_balancer_class,
        traffic_policy=TrafficPolicy(spec.external_traffic_policy),
        session_affinity_seconds=_affinity_seconds(spec),
        ports=tuple(_port(port) for port in spec.ports),
        selector=spec.selector,
        labels=metadata.labels,
        annotations={key: text for key, text in metadata.annotations.items() if key.startswith(OUR_ANNOTATIONS)},
        status=status(metadata, document.status),
        created=int(metadata.creation_timestamp.timestamp()) if metadata.creation_timestamp else None,
        awaited=None if metadata.deletion_timestamp is None else tuple(metadata.finalizers),
    )


def unknown_annotations(document: object) -> Iterator[Remark]:
    """Yield a remark for each annotation of a Service that has a prefix of ours and no meaning, with the nearest."""
    match document:
        case {"metadata": {"annotations": Mapping() as annotations}}:
            for key, hint in misspelt.unknown_annotations(map(str, annotations)):
                yield Remark(f'metadata.annotations["{key}"]', 0, f"unknown annotation, it has no effect: {hint}")


def status(metadata: wire.Metadata, document: wire.ServiceStatus) -> ServiceStatus:
    """The part of a Service's status that metalev writes: other controllers' conditions are theirs."""
    ingress = document.load_balancer.ingress
    return ServiceStatus(
        addresses=tuple(
            parse_address(point.ip, f"status.loadBalancer.ingress[{index}].ip")
            for index, point in enumerate(ingress)
            if point.ip
        ),
        pool=metadata.annotations.get(POOL_ANNOTATION) or metadata.annotations.get(OLD_POOL_ANNOTATION, ""),
        conditions=by_type(
            *(
                Condition(condition.type, condition.status, condition.reason, condition.message)
                for condition in document.conditions
                if condition.type.startswith(OUR_PREFIX)
            )
        ),
    )


def endpoint_slice(document: wire.EndpointSlice, name: Name) -> EndpointSlice | None:
    """Read an EndpointSlice; one of host names leads nowhere that a load balancer could send a packet."""
    if document.address_type == "FQDN":
        return None
    service_name = document.metadata.labels.get(SERVICE_NAME_LABEL)
    if not service_name:
        raise BadField("metadata.labels", f'the label "{SERVICE_NAME_LABEL}" is missing: it names the Service')
    return EndpointSlice(
        name=name,
        service=Name(name.namespace, service_name),
        version=document.metadata.resource_version,
        family=_FAMILY[document.address_type],
        endpoints=tuple(_endpoint(endpoint) for endpoint in document.endpoints),
        ports=tuple(Port(port.protocol, port.port, port.name) for port in document.ports if port.port is not None),
    )


def _cluster_ips(spec: wire.ServiceSpec) -> tuple[IPAddress, ...] | None:
    """The ClusterIPs; none for a headless Service, ``None`` if nothing is said of them."""
    path, texts = "spec.clusterIPs", [text for text in spec.cluster_ips if text]
    if not texts and spec.cluster_ip:
        path, texts = "spec.clusterIP", [spec.cluster_ip]
    if not texts:
        return None
    if texts == ["None"]:
        return ()
    return tuple(parse_address(text, path) for text in texts)


def _families(
    spec: wire.ServiceSpec, addresses: Sequence[IPAddress] | None, default: tuple[Family, ...]
) -> tuple[Family, ...]:
    if spec.type == "ExternalName":
        return ()
    _check_families(spec)
    if addresses is not None:
        return tuple(address.version for address in addresses)
    families = tuple(_FAMILY[family] for family in spec.ip_families) or default
    if spec.ip_family_policy in {None, "SingleStack"} or len(families) != 1:
        return families
    # Behind an API server there are ClusterIPs of both where the cluster has both; here nobody gives them.
    return (*families, 6 if families[0] == 4 else 4)


def _check_families(spec: wire.ServiceSpec) -> None:
    """Refuse what no API server would take. Without a policy, two families are as good as a wish for both."""
    for index, family in enumerate(spec.ip_families):
        if family in spec.ip_families[:index]:
            raise BadField(f"spec.ipFamilies[{index}]", f"{family} stands twice: name each family once")
    if spec.ip_family_policy == "SingleStack" and len(spec.ip_families) > 1:
        problem = "SingleStack does not go with two ipFamilies: write PreferDualStack or RequireDualStack"
        raise BadField("spec.ipFamilyPolicy", f"{problem}, or name one family")


def _affinity_seconds(spec: wire.ServiceSpec) -> int | None:
    return spec.session_affinity_config.client_ip.timeout_seconds if spec.session_affinity == "ClientIP" else None


def _port(port: wire.ServicePort) -> Port:
    target = port.port if port.target_port is None else port.target_port
    return Port(port.protocol, port.port, port.name, target)


def _endpoint(endpoint: wire.Endpoint) -> Endpoint:
    conditions = endpoint.conditions
    return Endpoint(tuple(endpoint.addresses), endpoint.node_name, conditions.ready, conditions.serving)

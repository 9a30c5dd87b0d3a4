"""Services and EndpointSlices, from JSON to the model."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metalev.adapters.codec import BadField, Codec
from metalev.model.address import Family
from metalev.model.meta import Name
from metalev.model.services import Condition, ConditionStatus, EndpointSlice, Port, Service, TrafficPolicy

CODEC = Codec("metallb-system", default_families=(4,))
POLICIES = "PreferDualStack or RequireDualStack or SingleStack"
TWO_UNDER_SINGLE_STACK = (
    "SingleStack does not go with two ipFamilies: write PreferDualStack or RequireDualStack, or name one family"
)


def service(metadata: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **spec: Any) -> Service:
    document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", **(metadata or {})},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
        "status": status or {},
    }
    obj = CODEC.decode(document)
    assert isinstance(obj, Service)
    return obj


def endpoint_slice(**fields: Any) -> object:
    document = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        **fields,
    }
    return CODEC.decode(document)


def test_service_without_a_namespace_is_in_default() -> None:
    assert service().name == Name("default", "web")
    assert service({"namespace": "shop"}).name == Name("shop", "web")


def test_resource_version_is_the_version() -> None:
    assert service({"resourceVersion": "42"}).version == "42"


@pytest.mark.parametrize(
    ("spec", "families"),
    [
        ({}, (4,)),
        ({"clusterIP": ""}, (4,)),
        ({"clusterIPs": [""]}, (4,)),
        ({"clusterIP": "None"}, ()),
        ({"clusterIPs": ["None"]}, ()),
        ({"clusterIP": "2001:db8::1"}, (6,)),
        ({"clusterIPs": ["10.0.0.1", "2001:db8::1"]}, (4, 6)),
        ({"clusterIPs": ["2001:db8::1"], "ipFamilies": ["IPv4"]}, (6,)),
        ({"ipFamilies": ["IPv6", "IPv4"]}, (6, 4)),
        ({"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"}, (6,)),
        ({"type": "ExternalName"}, ()),
        ({"ipFamilyPolicy": "PreferDualStack"}, (4, 6)),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, (6, 4)),
        ({"ipFamilyPolicy": "PreferDualStack", "clusterIPs": ["10.0.0.1"]}, (4,)),
        ({"ipFamilyPolicy": "RequireDualStack", "clusterIP": "None"}, ()),
    ],
)
def test_families_come_from_cluster_ips_then_ip_families_then_the_default(
    spec: dict[str, Any], families: tuple[Family, ...]
) -> None:
    assert service(**spec).families == families


@pytest.mark.parametrize("policy", ["SingleStack", "PreferDualStack", "RequireDualStack"])
def test_family_policy_is_read(policy: str) -> None:
    assert service(ipFamilyPolicy=policy).family_policy == policy
    assert service(ipFamilyPolicy=None).family_policy == "SingleStack"


def test_age_is_read_where_it_is_known() -> None:
    assert service({"creationTimestamp": "2026-01-02T12:00:00Z"}).created == 1767355200
    assert service({"creationTimestamp": None}).created is None


def test_api_server_that_names_no_cluster_ip_means_none() -> None:
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": []}}
    obj = Codec("metallb-system").decode(document)
    assert isinstance(obj, Service)
    assert obj.families == ()


def test_port_leads_to_its_target_or_to_itself() -> None:
    ports = service(ports=[{"port": 80}, {"port": 53, "protocol": "UDP", "name": "dns", "targetPort": "dns"}]).ports
    assert ports == (Port("TCP", 80, "", 80), Port("UDP", 53, "dns", "dns"))


def test_session_affinity_has_its_seconds_or_three_hours() -> None:
    chosen = {"clientIP": {"timeoutSeconds": 60}}
    assert service().session_affinity_seconds is None
    assert service(sessionAffinity="ClientIP").session_affinity_seconds == 10800
    assert service(sessionAffinity="ClientIP", sessionAffinityConfig=chosen).session_affinity_seconds == 60


def test_wishes_are_kept_as_they_were_written() -> None:
    wished = service(loadBalancerIP=" please ", loadBalancerClass="metalev.io/l2", externalTrafficPolicy="Local")
    assert (wished.load_balancer_ip, wished.load_balancer_class) == (" please ", "metalev.io/l2")
    assert wished.traffic_policy is TrafficPolicy.LOCAL


def test_only_annotations_of_metallb_and_metalev_are_kept() -> None:
    ours = {"metallb.io/address-pool": "a", "metallb.universe.tf/address-pool": "b", "metalev.io/x": "c"}
    foreign = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "notmetallb.io/x": "d"}
    assert service({"annotations": ours | foreign}).annotations == ours


def test_status_is_what_metalev_writes_and_nothing_else() -> None:
    conditions = [
        {"type": "metalev.io/AddressAssigned", "status": "True", "reason": "Assigned", "lastTransitionTime": "x"},
        {"type": "example.com/Billed", "status": "True"},
    ]
    ingress = [{"ip": "192.0.2.1", "ipMode": "VIP"}, {"hostname": "lb.example.com"}]
    read = service(
        {"annotations": {"metallb.io/ip-allocated-from-pool": "first"}},
        {"loadBalancer": {"ingress": ingress}, "conditions": conditions},
    ).status
    assert read.addresses == (ip_address("192.0.2.1"),)
    assert read.pool == "first"
    assert read.conditions == (Condition("metalev.io/AddressAssigned", ConditionStatus.TRUE, "Assigned", ""),)


def test_null_is_the_same_as_absent() -> None:
    assert service({"annotations": None, "labels": None}, selector=None, externalTrafficPolicy=None) == service()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ports": [{"port": "80"}]}, "spec.ports[0].port: expected a whole number, got a string"),
        ({"ports": [{"port": 80}, {"port": 70000}]}, "spec.ports[1].port: expected a whole number <= 65535"),
        ({"ports": [{"name": "http"}]}, "spec.ports[0].port: is missing"),
        ({"ports": []}, "spec.ports: a Service of type LoadBalancer needs at least one port"),
        (
            {"type": "Loadbalancer"},
            "spec.type: invalid enum value 'Loadbalancer': write ClusterIP or ExternalName or LoadBalancer or NodePort",
        ),
        ({"clusterIP": "10.0.0"}, 'spec.clusterIP: "10.0.0" is no IP address'),
        ({"ipFamilies": ["IPv4", "IPv4"]}, "spec.ipFamilies[1]: IPv4 stands twice: name each family once"),
        ({"ipFamilies": ["IPv6", "IPv4", "IPv6"]}, "spec.ipFamilies[2]: IPv6 stands twice: name each family once"),
        (
            {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"},
            f"spec.ipFamilyPolicy: {TWO_UNDER_SINGLE_STACK}",
        ),
        (
            {"ipFamilyPolicy": "DualStack"},
            f"spec.ipFamilyPolicy: invalid enum value 'DualStack': write {POLICIES}",
        ),
        (
            {"selector": {"app": "web", "example.com/tier": 1}},
            'spec.selector["example.com/tier"]: expected a string, got a whole number; put it in quotes',
        ),
        ({"selector": ["app"]}, "spec.selector: expected a mapping, got a list"),
    ],
)
def test_wrong_field_is_named_with_what_is_right(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(BadField) as caught:
        service(**spec)
    assert str(caught.value) == message


def test_service_without_a_spec_is_not_a_service_without_wishes() -> None:
    with pytest.raises(BadField, match=r"^spec: is missing$"):
        CODEC.decode({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}})


def test_slice_belongs_to_the_service_that_its_label_names() -> None:
    endpoint = {"addresses": ["10.244.1.2"], "nodeName": "node1", "conditions": {"ready": False, "serving": True}}
    read = endpoint_slice(endpoints=[endpoint], ports=[{"port": 8080, "name": "http"}, {"name": "all", "port": None}])
    assert isinstance(read, EndpointSlice)
    assert read.service == Name("default", "web")
    assert (read.endpoints[0].node, read.endpoints[0].ready, read.endpoints[0].serves) == ("node1", False, True)
    assert read.ports == (Port("TCP", 8080, "http"),)


def test_slice_without_its_label_is_named_since_it_would_lead_nowhere() -> None:
    with pytest.raises(BadField, match=r"metadata.labels: the label .kubernetes.io/service-name. is missing"):
        endpoint_slice(metadata={"name": "web-x"})


def test_slice_of_host_names_is_left_alone() -> None:
    assert endpoint_slice(addressType="FQDN") is None

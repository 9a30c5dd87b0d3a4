"""What the contract is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from tests.contract.harness import Manifest, Program, service_key

from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.services import Condition, ConditionStatus, Service, ServiceStatus

WEB = service_key("web")
POOL = ObjectKey(Kind.POOL, Name("metallb-system", "first"))
V6 = ip_address("2001:db8::10")
ASSIGNED = ServiceStatus(
    addresses=(ip_address("192.0.2.10"), ip_address("2001:db8::10")),
    pool="first",
    conditions=(
        Condition("metalev.io/AddressAssigned", ConditionStatus.TRUE, "Assigned", 'Assigned IP ["192.0.2.10"]'),
    ),
)


def service(name: str = "web", port: int = 80, **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "LoadBalancer", "ports": [{"port": port}], **spec},
    }


def endpoint_slice(name: str, labels: Mapping[str, str]) -> Manifest:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.0.1"]}],
    }


def pool(*addresses: str) -> Manifest:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "first"},
        "spec": {"addresses": list(addresses or ("192.0.2.0/24",))},
    }


def web(program: Program) -> Service:
    return program.seen.get(Service, WEB)


def port_of(program: Program) -> int:
    return web(program).ports[0].port

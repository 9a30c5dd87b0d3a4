"""The YAML of MetalLB's own documentation, as it stands there but for the addresses."""

from __future__ import annotations

import pytest
from tests.e2e.cluster import wait_for
from tests.e2e.room import HOME, Room

CONFIGURATION = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: first-pool
  namespace: metallb-system
spec:
  addresses:
  - FIRST-LAST
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata:
  name: example
  namespace: metallb-system
spec:
  ipAddressPools:
  - first-pool
"""
NGINX = """
apiVersion: v1
kind: Service
metadata:
  name: nginx
spec:
  ports:
  - name: http
    port: 80
    protocol: TCP
    targetPort: 80
  selector:
    app: web
  type: LoadBalancer
"""
FROM_POOL = """
apiVersion: v1
kind: Service
metadata:
  name: nginx
  annotations:
    metallb.io/address-pool: production-public-ips
spec:
  ports:
  - port: 80
    targetPort: 80
  selector:
    app: web
  type: LoadBalancer
"""
WITH_CLASS = """
apiVersion: v1
kind: Service
metadata:
  name: nginx
spec:
  ports:
  - port: 80
    targetPort: 80
  selector:
    app: web
  type: LoadBalancer
  loadBalancerClass: metallb
"""
DNS = """
apiVersion: v1
kind: Service
metadata:
  name: dns-service-tcp
  annotations:
    metallb.io/allow-shared-ip: "key-to-share-1.2.3.4"
spec:
  type: LoadBalancer
  loadBalancerIP: 1.2.3.4
  ports:
    - name: dnstcp
      protocol: TCP
      port: 53
      targetPort: 80
  selector:
    app: web
---
apiVersion: v1
kind: Service
metadata:
  name: dns-service-udp
  annotations:
    metallb.io/allow-shared-ip: "key-to-share-1.2.3.4"
spec:
  type: LoadBalancer
  loadBalancerIP: 1.2.3.4
  ports:
    - name: dnsudp
      protocol: UDP
      port: 53
      targetPort: 53
  selector:
    app: web
"""
REQUESTED = """
apiVersion: v1
kind: Service
metadata:
  name: nginx
  annotations:
    metallb.io/loadBalancerIPs: 192.168.1.100
spec:
  ports:
  - port: 80
    targetPort: 80
  selector:
    app: web
  type: LoadBalancer
"""


@pytest.fixture
def addresses(room: Room) -> list[str]:
    """The tutorial's configuration, applied."""
    found = room.cluster.ranges.document
    room.cluster.apply(CONFIGURATION.replace("FIRST", found[0]).replace("LAST", found[-1]))
    return found


def test_the_first_pool_and_the_first_service_give_curl_an_answer(room: Room, addresses: list[str]) -> None:
    room.cluster.apply(NGINX, namespace=HOME)
    assert room.address("nginx") in addresses
    assert room.page(room.address("nginx"), "/hostname").startswith("web-")


def test_a_service_that_waits_for_the_pool_of_the_same_file_is_told_of_its_address_alone(room: Room) -> None:
    room.cluster.apply(NGINX, namespace=HOME)
    room.told("nginx", "NoPools")
    found = room.cluster.ranges.document
    room.cluster.apply(CONFIGURATION.replace("FIRST", found[0]).replace("LAST", found[-1]))
    room.told("nginx", "nodeAssigned")
    assert "NotAnnounced" not in {one.reason for one in room.events("nginx")}


def test_kubectl_get_service_shows_the_external_ip(room: Room, addresses: list[str]) -> None:
    room.cluster.apply(NGINX, namespace=HOME)
    room.address("nginx")
    row = room.cluster.kubectl("get", "service", "nginx", "-n", HOME, "--no-headers").split()
    assert (row[1], row[3] in addresses) == ("LoadBalancer", True)


def test_kubectl_describe_service_shows_who_gave_the_address_and_who_announces_it(
    room: Room, addresses: list[str]
) -> None:
    room.cluster.apply(NGINX, namespace=HOME)
    address = room.address("nginx")
    room.told("nginx", "nodeAssigned")
    room.told("nginx", "IPAllocated")
    said = room.cluster.kubectl("describe", "service", "nginx", "-n", HOME)
    assert f'metallb-controller  Assigned IP ["{address}"]' in said
    assert "metallb-speaker     announcing from node" in said


def test_an_address_that_is_asked_for_is_given(room: Room, addresses: list[str]) -> None:
    room.cluster.apply(REQUESTED.replace("192.168.1.100", addresses[5]), namespace=HOME)
    assert room.address("nginx") == addresses[5]


def test_an_address_of_the_pool_that_is_asked_for_is_given(room: Room, addresses: list[str]) -> None:
    public = room.pool_of(name="production-public-ips", autoAssign=False)
    room.cluster.apply(FROM_POOL, namespace=HOME)
    assert room.address("nginx") in public


def test_a_service_of_a_class_that_is_not_served_is_left_to_others(room: Room, addresses: list[str]) -> None:
    room.cluster.apply(WITH_CLASS, NGINX.replace("nginx", "later"), namespace=HOME)
    room.address("later")
    assert (room.held("nginx"), room.events("nginx")) == ([], [])


def test_dns_over_tcp_and_udp_shares_one_address(room: Room, addresses: list[str]) -> None:
    room.cluster.apply(DNS.replace("loadBalancerIP: 1.2.3.4", f"loadBalancerIP: {addresses[3]}"), namespace=HOME)
    for name in ("dns-service-tcp", "dns-service-udp"):
        room.wait_for_address(name, addresses[3])
    assert room.page(addresses[3], "/hostname", port=53).startswith("web-")
    wait_for("a datagram is answered", lambda: room.cluster.datagram(addresses[3], "hostname", 53))


def test_an_advertisement_without_a_spec_is_for_every_pool(room: Room) -> None:
    room.pool_of()
    room.cluster.apply(CONFIGURATION.partition("---")[2].partition("spec:")[0])
    room.cluster.apply(NGINX, namespace=HOME)
    assert room.page(room.address("nginx"), "/hostname").startswith("web-")


def test_a_pool_may_be_a_network(room: Room, addresses: list[str]) -> None:
    (address,) = room.take()
    room.pool("network", f"{address}/32", autoAssign=False)
    room.cluster.apply(FROM_POOL.replace("production-public-ips", "network"), namespace=HOME)
    assert room.address("nginx") == address


def test_a_local_service_of_the_tutorial_shows_the_pods_the_clients_address(room: Room, addresses: list[str]) -> None:
    room.cluster.apply(NGINX + "  externalTrafficPolicy: Local\n", namespace=HOME)
    address = room.address("nginx")
    seen = room.page(address, "/clientip")
    assert seen.rpartition(":")[0] == room.cluster.address_towards(address)


def test_bgp_resources_of_the_documentation_can_be_applied_and_change_nothing(room: Room, addresses: list[str]) -> None:
    advertisement = CONFIGURATION.partition("---")[2].replace("L2Advertisement", "BGPAdvertisement")
    room.cluster.apply(advertisement)
    room.cluster.apply(NGINX, namespace=HOME)
    assert room.page(room.address("nginx"), "/hostname").startswith("web-")

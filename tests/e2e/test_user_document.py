"""Every YAML and command for MetalLB in a guide that a user had read: each works as its reader expects.

The guide is of MetalLB's first years and configures it by a ConfigMap; its pool is 192.168.1.200-192.168.1.210.
"""

from __future__ import annotations

import pytest
from tests.e2e.cluster import SYSTEM, wait_for
from tests.e2e.room import HOME, OTHER, Room, web
from tests.guide import (
    CLUSTER_IP,
    CONFIG,
    DEPLOYMENT_NGINX,
    NGINX_LB,
    NODE_PORT,
    SEPARATE_POOLS,
    STICKY,
    TO_8080,
    TWO_POOLS,
    WEB_PROD,
    WEB_SERVICE,
)


class Reader:
    """Somebody who types what the guide shows, in a network where other addresses may be free."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.pool = room.cluster.ranges.document

    def __call__(self, text: str) -> str:
        """The text of the guide with this network's addresses."""
        for last, address in enumerate(self.pool, 200):
            text = text.replace(f"192.168.1.{last}", address)
        return text

    def apply(self, *texts: str) -> None:
        """``kubectl apply -f``."""
        self.room.cluster.apply(*map(self, texts), namespace="")

    def create(self, *texts: str) -> None:
        """The same, in the namespace of the tests."""
        self.room.cluster.apply(*map(self, texts), namespace=HOME)


@pytest.fixture
def reader(room: Room) -> Reader:
    """The reader, who has applied the ConfigMap, and no other configuration."""
    reader = Reader(room)
    reader.apply(CONFIG)
    return reader


@pytest.fixture
def nginx(reader: Reader) -> Reader:
    """The same, with the guide's Deployment."""
    reader.create(DEPLOYMENT_NGINX)
    reader.room.cluster.kubectl("rollout", "status", "deployment/nginx-lb-test", "-n", HOME, "--timeout=120s")
    return reader


def test_the_config_map_alone_gives_a_load_balancer_service_an_address_that_answers(reader: Reader) -> None:
    reader.create(WEB_SERVICE)
    address = reader.room.address("web-service")
    assert address in reader.pool
    assert reader.room.page(address, "/hostname").startswith("web-")


def test_the_deployment_and_the_service_of_nginx_show_a_page(nginx: Reader) -> None:
    nginx.create(NGINX_LB)
    address = nginx.room.address("nginx-lb")
    assert address in nginx.pool
    assert nginx.room.page(address)
    row = nginx.room.cluster.kubectl("get", "svc", "nginx-lb", "-n", HOME, "--no-headers").split()
    assert (row[1], row[3]) == ("LoadBalancer", address)


def test_a_service_may_have_another_port_than_its_pods(reader: Reader) -> None:
    reader.room.cluster.apply(web("web", 1, port=8080), reader(TO_8080), namespace=OTHER)
    assert reader.room.page(reader.room.address("web-service", OTHER), "/hostname").startswith("web-")


def test_the_same_client_reaches_the_same_pod_by_the_sticky_service(reader: Reader) -> None:
    reader.create(STICKY.replace("app: nginx", "app: web"))
    address = reader.room.address("nginx-lb-sticky")
    first = reader.room.page(address, "/hostname")
    assert {reader.room.page(address, "/hostname") for _ in range(12)} == {first}


def test_describe_shows_the_load_balancer_ingress(reader: Reader) -> None:
    reader.create(WEB_SERVICE)
    address = reader.room.address("web-service")
    said = reader.room.cluster.kubectl("describe", "svc", "web-service", "-n", HOME)
    (line,) = (line for line in said.splitlines() if line.startswith("LoadBalancer Ingress:"))
    assert line.split()[2] == address


def test_a_cluster_ip_service_and_a_node_port_service_get_no_address(reader: Reader) -> None:
    reader.create(CLUSTER_IP, NODE_PORT)
    reader.create(NGINX_LB)
    reader.room.address("nginx-lb")
    assert (reader.room.held("backend-service"), reader.room.held("web-service")) == ([], [])


def test_a_node_port_service_that_becomes_a_load_balancer_gets_an_address(reader: Reader) -> None:
    reader.create(NODE_PORT)
    reader.create(WEB_SERVICE)
    assert reader.room.address("web-service") in reader.pool


def test_kubectl_edit_of_the_range_is_applied_without_a_restart(reader: Reader) -> None:
    reader.create(WEB_SERVICE)
    reader.room.address("web-service")
    reader.apply(CONFIG.replace("192.168.1.200-192.168.1.210", "192.168.1.209-192.168.1.210"))
    wait_for("the address is of the new range", lambda: set(reader.room.held("web-service")) & set(reader.pool[9:]))


def test_a_service_of_two_pools_gets_an_address_of_the_one_that_it_names(reader: Reader) -> None:
    reader.apply(TWO_POOLS)
    reader.create(WEB_PROD, WEB_PROD.replace("web-prod", "web-dev").replace("production", "development"))
    assert reader.room.address("web-prod") in reader.pool[:6]
    assert reader.room.address("web-dev") in reader.pool[6:]


def test_the_annotations_old_spelling_works_and_is_named_as_deprecated(reader: Reader) -> None:
    reader.apply(TWO_POOLS)
    reader.create(WEB_PROD)
    told = reader.room.told("web-prod", "deprecatedAnnotation")
    assert (told.type, told.message) == (
        "Warning",
        "Service uses deprecated annotation metallb.universe.tf/address-pool",
    )


@pytest.mark.parametrize(("pool", "first", "end"), [("production", 0, 6), ("staging", 6, 9), ("development", 9, 11)])
def test_environments_are_apart_by_their_pools(reader: Reader, pool: str, first: int, end: int) -> None:
    reader.apply(SEPARATE_POOLS)
    reader.create(WEB_PROD.replace("production", pool))
    assert reader.room.address("web-prod") in reader.pool[first:end]
    assert reader.room.pool_name("web-prod") == pool


def test_applications_that_are_exposed_by_kubectl_have_an_address_each(reader: Reader) -> None:
    kubectl = reader.room.cluster.kubectl
    for name in ("app1", "app2", "app3"):
        kubectl("expose", "deployment", "web", "--type=LoadBalancer", "--port=80", f"--name={name}", "-n", HOME)
    addresses = {reader.room.address(name) for name in ("app1", "app2", "app3")}
    assert len(addresses) == 3
    assert addresses <= set(reader.pool)
    for address in addresses:
        assert reader.room.page(address, "/hostname").startswith("web-")


def test_the_twelfth_service_of_eleven_addresses_is_pending_and_a_larger_range_helps_it(reader: Reader) -> None:
    (more,) = reader.room.take()
    services = [WEB_SERVICE.replace("web-service", f"app{number}") for number in range(1, 12)]
    reader.create("---\n".join(services))
    for number in range(1, 12):
        reader.room.address(f"app{number}")
    reader.create(WEB_SERVICE.replace("web-service", "app12"))
    assert reader.room.refused("app12").startswith("no available IPs")
    row = reader.room.cluster.kubectl("get", "svc", "app12", "-n", HOME, "--no-headers").split()
    assert row[3] == "<pending>"
    reader.apply(CONFIG + f"      - {more}/32\n")
    reader.room.wait_for_address("app12", more)


def test_the_address_has_the_mac_of_one_of_the_nodes(reader: Reader) -> None:
    reader.create(WEB_SERVICE)
    assert reader.room.announcer(reader.room.address("web-service")) in reader.room.cluster.nodes


def test_no_request_is_lost_when_a_pod_is_deleted(reader: Reader) -> None:
    reader.create(WEB_SERVICE)
    address = reader.room.address("web-service")
    name = reader.room.page(address, "/hostname")
    reader.room.cluster.kubectl("delete", "pod", name, "-n", HOME, "--wait=false")
    seen = {reader.room.page(address, "/hostname") for _ in range(20)}
    assert len(seen) > 1
    reader.room.cluster.kubectl("rollout", "status", "deployment/web", "-n", HOME, "--timeout=120s")


def test_an_ingress_controller_behind_one_address_serves_every_host_name(reader: Reader) -> None:
    """To metalev it is a Service like any other, in a namespace of its own, with two ports."""
    ingress = WEB_SERVICE.replace("web-service", "nginx-ingress-controller").replace("- port", "- name: http\n    port")
    reader.create(f"{ingress}  - name: https\n    port: 443\n    targetPort: 80\n")
    address = reader.room.address("nginx-ingress-controller")
    assert [bool(reader.room.page(address, port=port)) for port in (80, 443)] == [True, True]


def test_the_pods_have_the_names_and_labels_that_the_guide_looks_for(reader: Reader) -> None:
    listed = reader.room.cluster.kubectl("get", "pods", "-n", SYSTEM, "--no-headers").splitlines()
    assert {line.partition("-")[0] for line in listed} == {"controller", "speaker"}
    wait_for("all run", lambda: set(phases(reader.room)) == {"Running"})
    speakers = reader.room.cluster.kubectl("get", "pods", "-n", SYSTEM, "-l", "component=speaker", "-o", "name").split()
    assert len(speakers) == len(reader.room.cluster.nodes)


def phases(room: Room) -> list[str]:
    """What kubectl shows of the programs' Pods; one that a test has deleted may be ending."""
    listed = room.cluster.kubectl("get", "pods", "-n", SYSTEM, "--no-headers").splitlines()
    return [line.split()[2] for line in listed]


def test_the_guides_query_for_the_addresses_in_use_has_an_answer(reader: Reader) -> None:
    """The controllers' metrics, through a Service for their pods, as one for any other."""
    spec = "{type: LoadBalancer, selector: {app: metallb, component: controller}, ports: [{port: 7472}]}"
    metadata = f"{{name: metrics, namespace: {SYSTEM}}}"
    reader.apply(f"{{apiVersion: v1, kind: Service, metadata: {metadata}, spec: {spec}}}")
    try:
        (address,) = wait_for("an address", lambda: reader.room.held("metrics", SYSTEM))
        wanted = 'metallb_allocator_addresses_in_use_total{pool="default"} 1.0'
        wait_for(wanted, lambda: wanted in reader.room.page(address, "/metrics", port=7472))
    finally:
        reader.room.cluster.kubectl("delete", "service", "metrics", "-n", SYSTEM)


def test_resources_beside_the_config_map_win_and_an_event_says_so(reader: Reader) -> None:
    (address,) = reader.room.pool_of()
    reader.create(WEB_SERVICE)
    assert reader.room.address("web-service") == address
    path = f"/api/v1/namespaces/{SYSTEM}/events?fieldSelector=involvedObject.name%3Dconfig"
    wait_for("an event on the ConfigMap", lambda: reader.room.cluster.items(path))


def test_a_mistake_in_the_config_map_takes_nothing_away_and_is_named(reader: Reader) -> None:
    reader.create(WEB_SERVICE)
    address = reader.room.address("web-service")
    reader.apply(CONFIG.replace("layer2", "layer3"))
    wait_for("it is named", lambda: "layer3" in reader.room.configuration().get("errorSummary", ""))
    assert reader.room.held("web-service") == [address]
    reader.apply(CONFIG)
    wait_for("it is forgotten", lambda: reader.room.configuration()["result"] == "Valid")


def test_speakers_that_start_beside_a_mistake_in_the_config_map_announce_what_was_announced(reader: Reader) -> None:
    reader.create(WEB_SERVICE)
    address = reader.room.address("web-service")
    reader.room.announcer(address)
    reader.apply(CONFIG.replace("layer2", "layer3"))
    wait_for("it is named", lambda: "layer3" in reader.room.configuration().get("errorSummary", ""))
    kubectl = reader.room.cluster.kubectl
    kubectl("delete", "pods", "-n", SYSTEM, "-l", "component=speaker")
    kubectl("rollout", "status", "daemonset/speaker", "-n", SYSTEM, "--timeout=120s")
    reader.room.announcer(address)
    assert reader.room.held("web-service") == [address]

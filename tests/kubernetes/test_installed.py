"""`kubectl apply -k deploy` on the lab's Kubernetes: a tutorial's YAML gives curl an answer."""

from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.kubernetes.manifests import Manifest, advertisement, apply, deployment, pool, service

from metalev.lab.kubernetes.cluster import KubernetesLab
from metalev.lab.topology import socket_address

POOL = pool("first-pool", "192.168.1.200-192.168.1.210", "fd00:192:168:1::200-fd00:192:168:1::210")
ADVERTISEMENT = advertisement("example")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesLab]:
    """metalev installed, a pool, and six web servers without a Service."""
    with KubernetesLab(tmp_path_factory.mktemp("cluster")) as lab:
        lab.install()
        apply(lab, POOL, ADVERTISEMENT, deployment("web", 6))
        lab.wait_for_pods("app=web", 6)
        yield lab


def named(name: str, **spec: object) -> Manifest:
    return service(name, **{"selector": {"app": "web"}, "ipFamilyPolicy": "SingleStack", **spec})


def is_answered(lab: KubernetesLab, address: str) -> bool:
    url = f"http://{socket_address(address, 80)}/"
    return lab.client.run(["curl", "-s", "-m", "1", "-o", "/dev/null", url], check=False).returncode == 0


def test_a_service_gets_an_address_that_answers(cluster: KubernetesLab) -> None:
    apply(cluster, named("plain"))
    (address,) = cluster.wait_for_addresses("plain")
    assert address in {ip_address(f"192.168.1.{last}") for last in range(200, 211)}
    cluster.wait_for_announcer(address)
    cluster.wait_for("curl is answered", lambda: is_answered(cluster, str(address)))


def test_a_service_of_two_families_is_reached_by_both(cluster: KubernetesLab) -> None:
    apply(cluster, named("dual", ipFamilyPolicy="RequireDualStack"))
    for address in cluster.wait_for_addresses("dual", count=2):
        cluster.wait_for_announcer(address)
        cluster.wait_for(f"curl is answered by {address}", partial(is_answered, cluster, str(address)))


def test_the_address_moves_when_its_node_dies(cluster: KubernetesLab) -> None:
    apply(cluster, named("steady"))
    (address,) = cluster.wait_for_addresses("steady")
    announcer = cluster.wait_for_announcer(address)
    cluster.wait_for("curl is answered", lambda: is_answered(cluster, str(address)))
    cluster.kill(announcer.name)
    successor = cluster.wait_for_announcer(address)
    assert successor.name != announcer.name
    cluster.wait_for("curl is answered again", lambda: is_answered(cluster, str(address)))
    cluster.revive(announcer.name)
    cluster.wait_for("the node is back", lambda: cluster.is_ready(announcer.name))


def test_addresses_are_given_again_when_both_controllers_were_killed(cluster: KubernetesLab) -> None:
    for program in cluster.programs("controller").values():
        program.kill()
    apply(cluster, named("after"))
    cluster.wait_for_addresses("after", timeout=120)  # the lease has to end first


def test_without_a_control_plane_all_is_answered_and_moves_when_a_node_dies(cluster: KubernetesLab) -> None:
    names = [f"alone{number}" for number in range(4)]
    apply(cluster, *map(named, names))
    addresses = [address for name in names for address in cluster.wait_for_addresses(name)]
    owners = {address: cluster.wait_for_announcer(address) for address in addresses}
    speakers = cluster.programs("speaker")
    for part in reversed(cluster.plane.parts):
        part.kill()
    assert {address: cluster.wait_for_announcer(address) for address in addresses} == owners
    victim = owners[addresses[0]]
    cluster.kill(victim.name)
    for address in addresses:
        successor = cluster.wait_for_announcer(address)
        assert (successor == owners[address]) == (owners[address] != victim)
        if owners[address] == victim:
            speaker, took = speakers[successor.name], f"took {address} "
            cluster.wait_for("the takeover is told", lambda: took in speaker.output())  # noqa: B023  (it ends here)
            log = speaker.output()
            assert f"its announcer {victim.name} missed 3 beacons" in log[log.rindex(took) :]
    for part in cluster.plane.parts:
        part.start()
    cluster.revive(victim.name)
    cluster.wait_for("the node is back", lambda: cluster.is_ready(victim.name), timeout=120)
    apply(cluster, named("afterwards"))
    cluster.wait_for_addresses("afterwards", timeout=120)
    assert {address for name in names for address in cluster.wait_for_addresses(name)} == set(addresses)


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[KubernetesLab]:
    """metalev on one node, whose programs reach the API on a faulty way."""
    with KubernetesLab(tmp_path, nodes=1, ipv6=False, faulty_api=True) as lab:
        lab.install()
        apply(lab, {**POOL, "spec": {"addresses": ["192.168.1.200-192.168.1.210"]}}, ADVERTISEMENT)
        yield lab


def test_the_programs_reach_the_api_on_the_faulty_way_if_there_is_one(faulty: KubernetesLab) -> None:
    with faulty.faults.hold("PATCH", "/services/first/status") as held:
        apply(faulty, named("first"))
        held.wait_for()
        assert faulty.get("service", "first")["status"] == {"loadBalancer": {}}
    faulty.wait_for_addresses("first")

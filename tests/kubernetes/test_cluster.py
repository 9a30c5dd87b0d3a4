"""The lab's Kubernetes carries traffic as a cluster does, before any load balancer is installed."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.kubernetes.manifests import apply, deployment, give_addresses, service

from metalev.lab.kubernetes.cluster import KubernetesLab
from metalev.lab.kubernetes.container import CAPABILITIES
from metalev.lab.kubernetes.images import Launch
from metalev.lab.kubernetes.pod import READY_ANNOTATION
from metalev.lab.kubernetes.proxy import MODES
from metalev.lab.topology import socket_address

VIP, VIP6 = "192.168.1.200", "fd00:192:168:1::200"


@pytest.fixture(scope="module", params=MODES)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesLab]:
    """Three nodes, three web servers behind a Service that has its addresses; the client sends to node1."""
    with KubernetesLab(tmp_path_factory.mktemp("cluster"), mode=request.param) as lab:
        apply(lab, deployment("web", 3), service("web"))
        lab.wait_for_pods("app=web", 3)
        give_addresses(lab, "web", VIP, VIP6)
        for address in (VIP, VIP6):
            lab.reachable_at(ip_address(address), "node1")
            lab.wait_for(f"node1 serves {address}", partial(is_served, lab, address))
        yield lab


def ask(lab: KubernetesLab, address: str) -> dict[str, str] | None:
    """What a web server says of itself to the client; None if nobody answers."""
    page = lab.client.run(["curl", "-s", "-m", "20", f"http://{socket_address(address, 80)}/"], check=False)
    return dict(line.split(": ", 1) for line in page.stdout.splitlines()) or None


def is_served(lab: KubernetesLab, address: str) -> bool:
    return ask(lab, address) is not None


def ask_often(lab: KubernetesLab, address: str, times: int = 30) -> list[dict[str, str]]:
    answers = [ask(lab, address) for _ in range(times)]
    assert None not in answers
    return [answer for answer in answers if answer]


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_a_client_reaches_pods_on_every_node(cluster: KubernetesLab, address: str) -> None:
    assert {answer["Node"] for answer in ask_often(cluster, address)} == {"node1", "node2", "node3"}


def test_a_client_reaches_a_udp_port(cluster: KubernetesLab) -> None:
    import socket

    with cluster.client.socket(socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)

        def answered() -> bool:
            with suppress(TimeoutError, ConnectionRefusedError):
                sock.sendto(b"?", (VIP, 53))
                return b"Server name: web-" in sock.recv(2000)
            return False

        cluster.wait_for("a datagram is answered", answered)


def test_the_local_policy_keeps_to_the_node_and_keeps_the_clients_address(cluster: KubernetesLab) -> None:
    apply(cluster, service("local", selector={"app": "web"}, externalTrafficPolicy="Local"))
    give_addresses(cluster, "local", "192.168.1.201")
    cluster.reachable_at(ip_address("192.168.1.201"), "node2")
    cluster.wait_for("node2 serves it", lambda: ask(cluster, "192.168.1.201") is not None)
    answers = ask_often(cluster, "192.168.1.201", times=10)
    assert {answer["Node"] for answer in answers} == {"node2"}
    assert all(answer["Client address"].startswith("192.168.1.100:") for answer in answers)


def test_a_pod_reaches_the_api_by_its_service(cluster: KubernetesLab) -> None:
    (pod, *_) = cluster.pods("app=web")
    slot = cluster.slot(pod["metadata"]["name"])
    assert slot.run(["curl", "-sk", "-m", "20", "https://10.96.0.1/readyz"]).stdout == "ok"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesLab]:
    """Two nodes for what does not depend on kube-proxy."""
    images = {"lab/whoami": whoami}
    with KubernetesLab(tmp_path_factory.mktemp("small"), nodes=2, ipv6=False, images=images) as lab:
        yield lab


def whoami(launch: Launch) -> list[str]:
    """A program that asks the API who it is, and stays."""
    command = f"{launch.arguments[0]} auth whoami -o json && grep CapEff /proc/self/status && exec tail -f /dev/null"
    return ["sh", "-c", command]


def ready_addresses(lab: KubernetesLab, name: str) -> dict[str, dict[str, bool]]:
    """The conditions of a Service's endpoints, by address."""
    selector = f"kubernetes.io/service-name={name}"
    slices = json.loads(lab.plane.kubectl("get", "endpointslices", "-l", selector, "-o", "json"))["items"]
    found = [endpoint for item in slices for endpoint in item["endpoints"] or ()]
    return {endpoint["addresses"][0]: endpoint["conditions"] for endpoint in found}


def test_pods_are_spread_over_the_nodes(small: KubernetesLab) -> None:
    apply(small, deployment("spread", 4))
    nodes = [pod["spec"]["nodeName"] for pod in small.wait_for_pods("app=spread", 4)]
    assert sorted(nodes) == ["node1", "node1", "node2", "node2"]
    small.plane.kubectl("delete", "deployment", "spread")
    small.wait_for_pods("app=spread", 0)


def test_a_pod_that_is_switched_off_is_no_ready_endpoint(small: KubernetesLab) -> None:
    apply(small, deployment("switched", 1), service("switched"))
    (pod,) = small.wait_for_pods("app=switched", 1)
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    small.wait_for("it is ready", lambda: ready_addresses(small, "switched").get(address, {}).get("ready", False))
    small.plane.kubectl("annotate", "pod", name, f"{READY_ANNOTATION}=false")
    small.wait_for("it is not", lambda: not ready_addresses(small, "switched")[address]["ready"])
    small.plane.kubectl("annotate", "pod", name, f"{READY_ANNOTATION}-")
    small.wait_for("it is again", lambda: ready_addresses(small, "switched")[address]["ready"])


def test_a_pod_that_ends_serves_on_while_its_hook_sleeps(small: KubernetesLab) -> None:
    hook = {"lifecycle": {"preStop": {"sleep": {"seconds": 2}}}}
    apply(small, deployment("leaving", 1, container=hook), service("leaving"))
    (pod,) = small.wait_for_pods("app=leaving", 1)
    address, terminating = pod["status"]["podIP"], {"ready": False, "serving": True, "terminating": True}
    small.plane.kubectl("scale", "deployment", "leaving", "--replicas=0")
    small.wait_for("it is terminating", lambda: ready_addresses(small, "leaving").get(address) == terminating)
    assert "Server name: leaving-" in small.nodes["node1"].run(["curl", "-s", f"http://{address}/"]).stdout
    small.wait_for("it is gone", lambda: ready_addresses(small, "leaving") == {})


def test_a_program_that_dies_is_started_again_and_counted(small: KubernetesLab) -> None:
    apply(small, deployment("dying", 1))
    (pod,) = small.wait_for_pods("app=dying", 1)
    name = pod["metadata"]["name"]
    small.process(name).kill()

    def restarts() -> int:
        (status,) = small.get("pod", name)["status"]["containerStatuses"]
        return int(status["restartCount"])

    small.wait_for("it is counted", lambda: restarts() == 1)
    small.wait_for_pods("app=dying", 1)


@pytest.fixture(scope="module")
def daemons(small: KubernetesLab) -> list[dict[str, Any]]:
    """The Pods of a DaemonSet whose program asks who it is."""
    container = {
        "image": "example.org/lab/whoami:v1",
        "command": [str(small.plane.binaries / "kubectl")],
        "securityContext": {"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}},
    }
    manifest = deployment("daemon", 0, container=container, hostNetwork=True)
    del manifest["spec"]["replicas"]
    apply(small, {**manifest, "kind": "DaemonSet"})
    pods = small.wait_for_pods("app=daemon", 2)
    for pod in pods:
        small.process(pod["metadata"]["name"]).wait_for("CapEff")
    return pods


def test_a_daemon_runs_on_every_node_with_a_token_that_names_it(
    small: KubernetesLab, daemons: list[dict[str, Any]]
) -> None:
    for pod in daemons:
        answer = small.process(pod["metadata"]["name"]).output().partition("CapEff:")[0]
        asked = json.loads(answer)["status"]["userInfo"]
        assert asked["username"] == "system:serviceaccount:default:default"
        assert asked["extra"]["authentication.kubernetes.io/node-name"] == [pod["spec"]["nodeName"]]


def test_a_program_has_the_capabilities_of_its_manifest_alone(
    small: KubernetesLab, daemons: list[dict[str, Any]]
) -> None:
    capabilities = small.process(daemons[0]["metadata"]["name"]).output().partition("CapEff:")[2]
    assert int(capabilities, 16) == 1 << CAPABILITIES.index("NET_RAW")


def test_the_log_of_a_program_is_read_by_kubectl(small: KubernetesLab, daemons: list[dict[str, Any]]) -> None:
    name = daemons[0]["metadata"]["name"]
    assert "SelfSubjectReview" in small.plane.kubectl("logs", name)
    assert small.plane.kubectl("logs", name, "--tail=1").startswith("CapEff:")


def test_a_dead_node_is_not_ready_and_comes_back(small: KubernetesLab) -> None:
    apply(small, deployment("steady", 2), service("steady"))
    pods = small.wait_for_pods("app=steady", 2)
    small.wait_for("two endpoints", lambda: len(ready_addresses(small, "steady")) == 2)
    lost = next(pod["status"]["podIP"] for pod in pods if pod["spec"]["nodeName"] == "node2")
    small.kill("node2")
    small.wait_for("node2 is not Ready", lambda: not small.is_ready("node2"))
    small.wait_for("its endpoint is not ready", lambda: not ready_addresses(small, "steady")[lost]["ready"])
    small.revive("node2")
    small.wait_for("node2 is Ready", lambda: small.is_ready("node2"))
    small.wait_for_pods("app=steady", 2)


def test_the_machine_that_runs_the_lab_reaches_the_api(small: KubernetesLab) -> None:
    config = small.plane.outside(small.plane.kubeconfig())
    kubectl = [str(small.plane.binaries / "kubectl"), f"--kubeconfig={config}", "get", "nodes", "-o", "name"]
    assert subprocess.check_output(kubectl, text=True).split() == ["node/node1", "node/node2"]


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    from tests.net.test_lab_leftovers import leftovers

    with KubernetesLab(tmp_path, nodes=1, pods_per_node=1) as lab:
        lab_id = lab.lab.id
        apply(lab, deployment("web", 1))
        lab.wait_for_pods("app=web", 1)
        assert leftovers(lab_id) != []
    assert leftovers(lab_id) == []

"""The cluster that the tests run against: that of METALEV_E2E_KUBECONFIG, or by default the lab's."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.cluster import SYSTEM, Cluster, Way, ranges_of
from tests.e2e.ranges import Ranges
from tests.e2e.room import HOME, METALLB, OTHER, Room, web

from metalev.lab.kubernetes.cluster import KubernetesLab

KUBECONFIG = os.environ.get("METALEV_E2E_KUBECONFIG", "")
CLIENT = shlex.split(os.environ.get("METALEV_E2E_CLIENT", ""))
RANGE = os.environ.get("METALEV_E2E_RANGE", "")
# What a reader of the user's document has, and after that what nobody in the lab's network has.
LAB_RANGE = "192.168.1.200-192.168.1.254,192.168.1.110-192.168.1.199,fd00:192:168:1::1000-fd00:192:168:1::ffff"

CLUSTER = pytest.StashKey[Cluster]()

# Only an API server of our own writes down who asks it for what, only a client of our own misbehaves, and only our own
# kube-proxies are there to be started in another mode.
collect_ignore = ["test_what_was_asked.py", "test_conflicts.py", "test_iptables.py"] if KUBECONFIG else []


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesLab]:
    """The lab's cluster after ``kubectl apply -k deploy``."""
    with KubernetesLab(tmp_path_factory.mktemp("lab"), pods_per_node=8, audit=True) as lab:
        lab.install()
        yield lab


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Any cluster with metalev and without pools; two namespaces, six Pods ``app: web`` and one ``app: one``."""
    way = _given() if KUBECONFIG else _of_lab(request.getfixturevalue("lab"))
    with Cluster(way, tmp_path_factory.mktemp("e2e")) as cluster:
        request.config.stash[CLUSTER] = cluster
        with _furnished(cluster):
            yield cluster
        del request.config.stash[CLUSTER]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what metalev's programs said last: who only reads a CI's log has nothing else."""
    report = yield
    cluster = item.config.stash.get(CLUSTER, None)
    if report.failed and cluster is not None:
        report.sections.append(("the last lines of controllers and speakers", cluster.logs()))
    return report


@pytest.fixture
def room(cluster: Cluster) -> Iterator[Room]:
    """The cluster for one test, with nothing left of the one before."""
    room = Room(cluster)
    yield room
    room.clear()


def _given() -> Way:
    """The cluster of the environment."""
    assert shutil.which("kubectl"), "kubectl is missing: see https://kubernetes.io/docs/tasks/tools"
    if RANGE:
        return Way(Path(KUBECONFIG), CLIENT, Ranges(RANGE))
    jsonpath = "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    asked = ["kubectl", f"--kubeconfig={KUBECONFIG}", "get", "nodes", "-o", jsonpath]
    node = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]
    return Way(Path(KUBECONFIG), CLIENT, ranges_of(_on(CLIENT), node))


def _on(client: list[str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*client, *command], capture_output=True, text=True, check=True)

    return run


def _of_lab(lab: KubernetesLab) -> Way:
    return Way(
        kubeconfig=lab.plane.outside(lab.plane.kubeconfig()),
        client=lab.client.namespace.inside([]),
        ranges=Ranges(LAB_RANGE),
        kubectl=str(lab.plane.binaries / "kubectl"),
        announcers=lambda address: [node.name for node in lab.announcers(ip_address(address))],
    )


@contextmanager
def _furnished(cluster: Cluster) -> Iterator[None]:
    """Namespaces and Pods that all tests share."""
    there = [one["metadata"]["name"] for one in cluster.items(f"{METALLB}/ipaddresspools")]
    assert not there, f"the tests remove every pool of {SYSTEM}, and there are some: {', '.join(there)}"
    cluster.kubectl("delete", "namespace", HOME, OTHER, "--ignore-not-found")  # of a run that was interrupted
    cluster.apply(*map(_namespace, (HOME, OTHER)))
    try:
        cluster.apply(web("web", 6), web("one", 1), namespace=HOME)
        for name in ("web", "one"):
            cluster.kubectl("rollout", "status", f"deployment/{name}", "-n", HOME, "--timeout=120s")
        yield
    finally:
        cluster.kubectl("delete", "namespace", HOME, OTHER, "--wait=false")


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"e2e": name}}}

"""Nodes whose clocks are an hour ahead and an hour behind: nothing moves, nothing is lost, no lease ends because of it.

metalev's real programs run with another time of day by ``shifted.c``; kubelets and kube-proxies keep theirs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.kubernetes.asking import Asking, announcers, stalls
from tests.kubernetes.manifests import advertisement, apply, deployment, pool, service
from tests.kubernetes.said import log_of, until

from metalev.lab.kubernetes.cluster import SYSTEM, KubernetesLab
from metalev.lab.kubernetes.images import Launch
from metalev.model.address import IPAddress

pytestmark = pytest.mark.timeout(600)

SHIFTED = Path(__file__).with_name("shifted.c")
AHEAD = {"node1": 3600, "node2": -3600, "node3": 0}
VIPS = 6
PATIENCE = 120
POOL = pool("first-pool", "192.168.1.200-192.168.1.220")
ADVERTISEMENT = advertisement("all")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is preloaded."""
    assert shutil.which("cc"), "a C compiler is missing: apt-get install -y gcc libc6-dev"
    made = tmp_path_factory.mktemp("shifted") / "shifted.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(made), str(SHIFTED), "-ldl"], check=True, timeout=60)
    return made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, library: Path) -> Iterator[KubernetesLab]:
    def metalev(launch: Launch) -> list[str]:
        shift = AHEAD[launch.pod["spec"]["nodeName"]]
        environment = [f"LD_PRELOAD={library}", f"SHIFT_SECONDS={shift}"]
        return ["env", *environment, sys.executable, "-m", "metalev", *launch.arguments]

    with KubernetesLab(tmp_path_factory.mktemp("cluster"), ipv6=False, images={"metalev": metalev}) as lab:
        lab.install()
        apply(lab, POOL, ADVERTISEMENT, deployment("web", 3))
        lab.wait_for_pods("app=web", 3, timeout=PATIENCE)
        apply(lab, *(named(f"early{number}") for number in range(VIPS)))
        yield lab


@pytest.fixture
def vips(lab: KubernetesLab) -> Mapping[IPAddress, str]:
    """The addresses there are, each with the node that announces it."""
    found = [lab.wait_for_addresses(f"early{number}", timeout=PATIENCE)[0] for number in range(VIPS)]
    return announcers(lab, found)


def named(name: str) -> dict[str, object]:
    return service(name, selector={"app": "web"}, ipFamilyPolicy="SingleStack")


def lease(lab: KubernetesLab, name: str) -> dict[str, object]:
    return dict(lab.get("lease", name, SYSTEM)["spec"])


def until_renewed(lab: KubernetesLab) -> None:
    before = lease(lab, "metalev-controller")["renewTime"]
    until(lambda: lease(lab, "metalev-controller")["renewTime"] != before, "the controllers' lease is renewed")


def until_another_leads(lab: KubernetesLab, leader: str) -> None:
    until(lambda: lease(lab, "metalev-controller")["holderIdentity"] not in {leader, ""}, "another one leads")


def seconds_ahead(lab: KubernetesLab, node: str) -> float:
    """By what its speaker wrote into its Lease."""
    written = datetime.fromisoformat(str(lease(lab, f"speaker-{node}")["renewTime"]))
    return (written - datetime.now(UTC)).total_seconds()


def test_the_speakers_clocks_are_off(lab: KubernetesLab, vips: Mapping[IPAddress, str]) -> None:
    assert len(vips) == VIPS
    for node, ahead in AHEAD.items():
        assert abs(seconds_ahead(lab, node) - ahead) < 600, node


def test_nothing_moves_and_no_lease_is_lost_over_many_renewals(
    lab: KubernetesLab, vips: Mapping[IPAddress, str]
) -> None:
    controllers, speakers = (
        {node: log_of(process) for node, process in lab.programs(which).items()} for which in ("controller", "speaker")
    )
    before = lease(lab, "metalev-controller")
    with Asking(lab, vips) as asking:
        for _ in range(6):  # more renewals than a lease may miss
            until_renewed(lab)
            asking.go_on(1)
    after = lease(lab, "metalev-controller")
    unchanged = ("holderIdentity", "leaseTransitions", "acquireTime")
    assert {key: after[key] for key in unchanged} == {key: before[key] for key in unchanged}
    assert asking.answered_by == {address: {node} for address, node in vips.items()} or stalls(speakers)
    assert [line for said in (*controllers.values(), *speakers.values()) for line in said.told("ERROR|is lost")] == []


def test_another_controller_takes_over_by_its_own_clock_and_changes_nothing(
    lab: KubernetesLab, vips: Mapping[IPAddress, str]
) -> None:
    """Twice, so that an earlier clock follows on a later one, or the other way round, and back."""
    speakers = {node: log_of(process) for node, process in lab.programs("speaker").items()}
    for number in range(2):
        leader = str(lease(lab, "metalev-controller")["holderIdentity"])
        pod = leader.rpartition("_")[0]
        lab.process(pod, SYSTEM).kill()
        until_another_leads(lab, leader)
        apply(lab, named(f"late{number}"))
        (address,) = lab.wait_for_addresses(f"late{number}", timeout=PATIENCE)
        assert address not in vips
        lab.wait_for_announcer(address, PATIENCE)
    found = [lab.wait_for_addresses(f"early{number}")[0] for number in range(VIPS)]
    assert announcers(lab, found) == vips or stalls(speakers)


def test_an_address_moves_when_a_node_whose_clock_is_off_dies(
    lab: KubernetesLab, vips: Mapping[IPAddress, str]
) -> None:
    victim = next(node for node in vips.values() if AHEAD[node])
    speakers = {node: log_of(process) for node, process in lab.programs("speaker").items()}
    lab.kill(victim)
    until(lambda: victim not in announcers(lab, vips).values(), f"others answer for what {victim} had")
    after = announcers(lab, vips)
    stayed = {address: node for address, node in vips.items() if node != victim}
    assert {address: after[address] for address in stayed} == stayed or stalls(speakers, victim)
    lab.revive(victim)

"""Nodes whose clocks are an hour ahead and an hour behind, or are set meanwhile: nothing moves, and no lease is lost.

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
from tests.kubernetes.asking import Asking, announcers, unexplained
from tests.kubernetes.manifests import advertisement, apply, deployment, pool, service
from tests.kubernetes.said import log_of, until

from metalev.lab.kubernetes.cluster import SYSTEM, KubernetesLab
from metalev.lab.kubernetes.images import Launch
from metalev.model.address import IPAddress

pytestmark = pytest.mark.timeout(600)

SHIFTED = Path(__file__).with_name("shifted.c")
AHEAD = {"node1": 3600, "node2": -3600, "node3": 0}
# By how many seconds each clock of a program goes on while the time of day is set: two for durations, one for people.
SET_UNDER_WAY = """
import pathlib, sys
from metalev.adapters.clock import SystemClock
from metalev.adapters.kubernetes import lease
clock = SystemClock()
clocks = (clock.now, lease._now, lambda: clock.wall().timestamp())
before = [read() for read in clocks]
pathlib.Path(sys.argv[1]).write_text(sys.argv[2])
print(*(read() - was for read, was in zip(clocks, before, strict=True)))
"""
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
def shifts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each node: by how many seconds its time of day is ahead."""
    folder = tmp_path_factory.mktemp("shifts")
    for node, shift in AHEAD.items():
        step(folder, node, shift)
    return folder


def step(shifts: Path, node: str, seconds: int) -> None:
    """Set a node's time of day, at once."""
    (shifts / "new").write_text(str(seconds))
    (shifts / "new").rename(shifts / node)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, library: Path, shifts: Path) -> Iterator[KubernetesLab]:
    def metalev(launch: Launch) -> list[str]:
        environment = [f"LD_PRELOAD={library}", f"SHIFT_FILE={shifts / launch.pod['spec']['nodeName']}"]
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


def nothing_moves(lab: KubernetesLab, vips: Mapping[IPAddress, str], shifts: Path, *turns: Mapping[str, int]) -> None:
    """Hold every address to be answered for where it is, and every lease to stay, while clocks are set ``turns`` times.

    And for more renewals than a lease may miss.
    """
    controllers, speakers = (
        {node: log_of(process) for node, process in lab.programs(which).items()} for which in ("controller", "speaker")
    )
    before = lease(lab, "metalev-controller")
    with Asking(lab, vips, speakers) as asking:
        for turn in (*turns, *[{}] * (6 - len(turns))):
            for node, ahead in turn.items():
                step(shifts, node, ahead)
            until_renewed(lab)
            asking.go_on(1)
    after = lease(lab, "metalev-controller")
    unchanged = ("holderIdentity", "leaseTransitions", "acquireTime")
    assert {key: after[key] for key in unchanged} == {key: before[key] for key in unchanged}
    assert asking.unexplained() == []
    assert [line for said in (*controllers.values(), *speakers.values()) for line in said.told("ERROR|is lost")] == []


def test_nothing_moves_and_no_lease_is_lost_over_many_renewals(
    lab: KubernetesLab, vips: Mapping[IPAddress, str], shifts: Path
) -> None:
    nothing_moves(lab, vips, shifts)


def test_nothing_moves_and_no_lease_is_lost_when_clocks_are_set_forth_and_back(
    lab: KubernetesLab, vips: Mapping[IPAddress, str], shifts: Path
) -> None:
    forth_and_back = {"node1": -3600, "node2": 3600, "node3": -86_400}, {"node3": 86_400}
    nothing_moves(lab, vips, shifts, *forth_and_back, AHEAD)


def test_another_controller_takes_over_by_its_own_clock_and_changes_nothing(
    lab: KubernetesLab, vips: Mapping[IPAddress, str]
) -> None:
    """Twice, so that an earlier clock follows on a later one, or the other way round, and back."""
    speakers = {node: log_of(process) for node, process in lab.programs("speaker").items()}
    before = announcers(lab, vips)
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
    assert set(found) == set(vips)
    assert unexplained(before, announcers(lab, found), speakers) == {}


def test_an_address_moves_when_a_node_whose_clock_is_off_dies(
    lab: KubernetesLab, vips: Mapping[IPAddress, str]
) -> None:
    speakers = {node: log_of(process) for node, process in lab.programs("speaker").items()}
    before = announcers(lab, vips)
    victim = next(node for node in before.values() if AHEAD[node])
    lab.kill(victim)
    until(lambda: victim not in announcers(lab, vips).values(), f"others answer for what {victim} had")
    stayed = {address: node for address, node in before.items() if node != victim}
    assert unexplained(stayed, announcers(lab, vips), speakers, victim) == {}
    lab.revive(victim)


@pytest.mark.parametrize("ahead", [7200, -7200], ids=["two hours on", "two hours back"])
def test_no_clock_that_measures_durations_follows_the_time_of_day(tmp_path: Path, library: Path, ahead: int) -> None:
    step(tmp_path, "shift", 0)
    file = tmp_path / "shift"
    command = ["env", f"LD_PRELOAD={library}", f"SHIFT_FILE={file}", sys.executable, "-c", SET_UNDER_WAY]
    said = subprocess.run([*command, file, str(ahead)], check=True, capture_output=True, text=True, timeout=120).stdout
    for_loops, for_leases, for_people = map(float, said.split())
    assert abs(for_people - ahead) < 600
    assert 0 <= for_loops < 600
    assert 0 <= for_leases < 600

"""The same troubles of an API server with all of metalev at work: what is announced is answered on, where it was.

Controllers and speakers run as they are installed, and reach the API by one faulty way; Services come, change and go
meanwhile, a client asks for the addresses that stay, and an observer beside the API server sees what is written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from itertools import count
from time import monotonic
from typing import Any

import pytest
from tests.kubernetes.asking import Asking
from tests.kubernetes.load import SERVICES, Churn, World
from tests.kubernetes.manifests import apply, deployment, service
from tests.kubernetes.said import LASTS, Said, log_of, pause, until

from metalev.lab.kubernetes.cluster import SYSTEM, KubernetesLab
from metalev.lab.kubernetes.faultproxy import Answer
from metalev.model.address import IPAddress

pytestmark = pytest.mark.timeout(600)

NAMESPACE = "load"
STEADY = 8
FAULT_SECONDS = 5.0
REFUSED_PER_SECOND = {"controller": 150, "speaker": 60}
"""The most that a program may ask in a second of what is refused. A controller: 100 that fail first, 20 a second then,
lists; a speaker: a list or a watch of each kind, three times in the first second."""
CATCHING_UP = {"controller": 10 * SERVICES, "speaker": 200}
"""The most that it may ask for once all is well: what it is behind with, and no storm."""
ADVERTISEMENT = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "L2Advertisement",
    "metadata": {"name": "all", "namespace": SYSTEM},
}
_seeds = count(100)


class Fleet:
    """metalev's programs as they run when a test begins, by their Pods' names, and what they say from then on."""

    def __init__(self, lab: KubernetesLab) -> None:
        self._lab = lab
        self.component: dict[str, str] = {}
        self.said: dict[str, Said] = {}
        self.speakers: dict[str, Said] = {}
        """By their nodes."""
        for component in ("controller", "speaker"):
            for pod in lab.pods(f"app=metallb,component={component}", SYSTEM):
                name = pod["metadata"]["name"]
                self.component[name] = component
                self.said[name] = log_of(lab.process(name, SYSTEM))
                if component == "speaker":
                    self.speakers[pod["spec"]["nodeName"]] = self.said[name]

    def asked_little(self, began: float, ended: float) -> None:
        """Hold every program to its bounds: while it was refused, and from then on."""
        faults = self._lab.faults
        for name, component in self.component.items():
            assert faults.busiest_second(began, ended, who=name) < REFUSED_PER_SECOND[component], name
            assert len(faults.asked(since=ended, who=name)) < CATCHING_UP[component], name

    def said_once_and_over(self, **bounds: int) -> None:
        """Hold every log to have said once what was wrong and once that it was over, and every speaker's to have."""
        for name, said in self.said.items():
            complained = said.once_and_over(**bounds)
            assert complained or self.component[name] == "controller", name
            assert said.told("Traceback") == [], name


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesLab]:
    with KubernetesLab(tmp_path_factory.mktemp("cluster"), ipv6=False, faulty_api=True) as lab:
        lab.install()
        apply(lab, ADVERTISEMENT)
        yield lab


@pytest.fixture(scope="module")
def everything(lab: KubernetesLab) -> Iterator[World]:
    """A namespace with web servers and the Services that stay."""
    with World(lab.plane, NAMESPACE, "192.168.1.128-192.168.1.254") as world:
        apply(lab, within(deployment("web", 3)), *(within(steady(number)) for number in range(STEADY)))
        lab.wait_for_pods("app=web", 3, NAMESPACE, timeout=60)
        yield world


@pytest.fixture
def world(everything: World) -> Iterator[World]:
    """The same, without what the tests before have left."""
    yield everything
    everything.empty(keep=[f"steady{number}" for number in range(STEADY)])


@pytest.fixture
def vips(everything: World) -> list[IPAddress]:
    """The addresses that stay."""
    everything.settled()
    steady = [addresses for name, addresses in everything.addresses().items() if name.startswith("steady")]
    found = [ip_address(address) for (address,) in steady]
    assert len(found) == STEADY
    return found


def within(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": NAMESPACE}}


def steady(number: int) -> dict[str, Any]:
    return service(f"steady{number}", selector={"app": "web"}, ipFamilyPolicy="SingleStack")


def test_the_api_server_is_killed_and_comes_back(lab: KubernetesLab, world: World, vips: list[IPAddress]) -> None:
    fleet = Fleet(lab)
    with Asking(lab, vips, fleet.speakers) as asking, Churn(world, next(_seeds)):
        asking.go_on()
        lab.plane.apiserver.kill()
        killed = monotonic()
        pause(FAULT_SECONDS)
        asking.go_on()
        lab.plane.apiserver.start()
        back = monotonic()
        world.settled()
        asking.go_on()
    world.settled()
    fleet.said_once_and_over()
    fleet.asked_little(killed, back)
    assert asking.unexplained() == []


def test_etcd_is_frozen_for_ten_seconds(lab: KubernetesLab, world: World, vips: list[IPAddress]) -> None:
    fleet = Fleet(lab)
    with Asking(lab, vips, fleet.speakers) as asking, Churn(world, next(_seeds)):
        asking.go_on()
        lab.plane.etcd.pause()
        frozen = monotonic()
        pause(10)
        asking.go_on()
        lab.plane.etcd.resume()
        thawed = monotonic()
        world.settled()
        asking.go_on()
    world.settled()
    for said in fleet.said.values():
        said.once_and_over()  # a watch says nothing meanwhile, and who has nothing to write may not notice
    fleet.asked_little(frozen, thawed)
    assert asking.unexplained() == []


def test_etcd_is_slow(lab: KubernetesLab, world: World, vips: list[IPAddress]) -> None:
    fleet = Fleet(lab)
    with Asking(lab, vips, fleet.speakers) as asking, Churn(world, next(_seeds)):
        asking.go_on()
        lab.plane.slow_down(0.3, 1)
        began = monotonic()
        world.fill(SERVICES // 4)
        asking.go_on()
        lab.plane.slow_down(0, 0)
        ended = monotonic()
        world.settled()
        asking.go_on()
    world.settled()
    for said in fleet.said.values():
        said.once_and_over()  # a request may take longer than all this
        assert said.told("ERROR|Traceback") == []
    fleet.asked_little(began, ended)
    assert asking.unexplained() == []


@pytest.mark.parametrize(
    "answer",
    [Answer(429, "TooManyRequests", retry_after=1), Answer(500), Answer(403, "Forbidden")],
    ids=lambda answer: str(answer.status),
)
def test_the_api_server_refuses_everything_for_a_while(
    lab: KubernetesLab, world: World, vips: list[IPAddress], answer: Answer
) -> None:
    fleet = Fleet(lab)
    with Asking(lab, vips, fleet.speakers) as asking, Churn(world, next(_seeds)):
        with lab.faults.answering(answer):
            lab.faults.close_watches()
            began = monotonic()
            pause(FAULT_SECONDS)
            until(lambda: all(said.told(f"{answer.status} ") for said in fleet.speakers.values()), "speakers notice")
            asking.go_on()
        ended = monotonic()
        world.settled()
        asking.go_on()
    world.settled()
    fleet.said_once_and_over()
    for name, said in fleet.said.items():
        # One line for all the kinds and objects that were refused.
        assert len(said.told(f" {answer.status} .*{LASTS}")) == 1, name
    fleet.asked_little(began, ended)
    assert asking.unexplained() == []


def test_watches_are_cut_in_the_middle_and_closed_again_and_again(
    lab: KubernetesLab, world: World, vips: list[IPAddress]
) -> None:
    fleet = Fleet(lab)
    began = monotonic()
    with Asking(lab, vips, fleet.speakers) as asking, Churn(world, next(_seeds)):
        for _ in range(8):
            lab.faults.cut_next_objects()
            pause(0.3)
            lab.faults.close_watches()
            asking.go_on(1)
        world.settled()
    world.settled()
    for name, said in fleet.said.items():
        assert said.told("failed|Traceback") == [], name
        # Each goes on where it was: nothing is listed a second time because of it.
        assert [call for call in lab.faults.asked("GET", "^/api/v1/services$", began, who=name) if not call.watch] == []
    assert asking.unexplained() == []


def test_the_leading_controller_is_killed_at_random_moments(
    lab: KubernetesLab, world: World, vips: list[IPAddress]
) -> None:
    dice = random.Random(6)
    fleet = Fleet(lab)
    with Asking(lab, vips, fleet.speakers) as asking, Churn(world, next(_seeds)):
        for _ in range(2):
            leader = holder(lab)
            pause(dice.random())
            lab.process(leader.rpartition("_")[0], SYSTEM).kill()
            until_another_leads(lab, leader)
        world.settled()
        asking.go_on()
    world.settled()
    assert all(said.told(f"ERROR|Traceback|{LASTS}") == [] for said in fleet.speakers.values())
    assert asking.unexplained() == []


def until_another_leads(lab: KubernetesLab, leader: str) -> None:
    until(lambda: holder(lab) not in {leader, ""}, f"another one than {leader} leads")


def holder(lab: KubernetesLab) -> str:
    """Who has the controllers' lease: a Pod's name, and a part that is another one after each start."""
    return str(lab.get("lease", "metalev-controller", SYSTEM)["spec"].get("holderIdentity") or "")

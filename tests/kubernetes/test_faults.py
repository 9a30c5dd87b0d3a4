"""An API server that has its troubles while Services come, change and go: nothing is lost, doubled or changed.

Each controller asks through a proxy of its own; what came of it is judged by an observer beside the API server.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, pairwise
from math import isfinite
from time import monotonic

import pytest
from tests.kubernetes.installation import install
from tests.kubernetes.load import SERVICES, SYSTEM, Churn, World, leader
from tests.kubernetes.said import LASTS, pause, until

from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.faultproxy import Answer
from metalev.lab.kubernetes.kubeconfig import ADMIN

pytestmark = pytest.mark.timeout(400)

OUTAGE_SECONDS = 3.0
SLOWLY = 24
"""Services that come while etcd is slow."""
REFUSED_PER_SECOND = 150
"""The most that a controller may ask in a second of what is refused: 100 that fail first, 20 a second then, lists."""
CATCHING_UP = 10 * SERVICES
"""The most that it may ask for once all is well: what it is behind with, and no storm."""
MANY = 300
_numbers = count(1)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own: it is killed and frozen here."""
    with ControlPlane(tmp_path_factory.mktemp("faults"), slow_etcd=True) as plane:
        install(plane)
        advertisement = {"metadata": {"name": "all", "namespace": SYSTEM}}
        api = plane.client(ADMIN)
        api.create(
            f"/apis/metallb.io/v1beta1/namespaces/{SYSTEM}/l2advertisements",
            advertisement | {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement"},
        )
        api.close()
        yield plane


@pytest.fixture
def world(plane: ControlPlane) -> Iterator[World]:
    number = next(_numbers)
    with World(plane, f"world{number}", f"10.{number}.0.0/22") as made:
        yield made


def test_the_api_server_is_killed_among_many_services_and_comes_back(world: World) -> None:
    one = world.controller("one")
    leader(one)
    with Churn(world, 1, world.fill(MANY)):
        pause(1)
        world.plane.apiserver.kill()
        killed = monotonic()
        pause(OUTAGE_SECONDS)
        world.plane.apiserver.start()
        back = monotonic()
    world.settled()
    assert one.said_once_and_over()
    assert one.proxy.busiest_second(killed, back) < REFUSED_PER_SECOND
    assert len(one.proxy.asked(since=back)) < CATCHING_UP


def test_etcd_is_frozen_for_ten_seconds(world: World) -> None:
    one, other = world.controller("one"), world.controller("other")
    leader(one, other)
    with Churn(world, 2):
        pause(1)
        world.plane.etcd.pause()
        frozen = monotonic()
        pause(10)
        world.plane.etcd.resume()
        thawed = monotonic()
    world.settled()
    for controller in (one, other):
        controller.said_once_and_over()
    # Nobody can create a Service meanwhile, so that the leader may have nothing to write; its lease ends in any case.
    assert any(controller.told(f"{LASTS}|the lease .* is lost") for controller in (one, other))
    for controller in (one, other):
        assert controller.proxy.busiest_second(frozen, thawed) < REFUSED_PER_SECOND
        assert len(controller.proxy.asked(since=thawed)) < CATCHING_UP


@pytest.mark.parametrize("seconds", [(0.2, 0.4), (0.6, 1.2)], ids=["in time", "too late"])
def test_etcd_is_slow_while_many_services_want_an_address(world: World, seconds: tuple[float, float]) -> None:
    """A write asks etcd once at least, the making of a Service several times; a controller's may take a second."""
    one, other = world.controller("one"), world.controller("other")
    leader(one, other)
    with Churn(world, 6):
        pause(1)
        world.plane.slow_down(*seconds)
        began = monotonic()
        world.fill(SLOWLY)
        assert monotonic() - began > seconds[0]
        pause(OUTAGE_SECONDS)
        world.plane.slow_down(0, 0)
        ended = monotonic()
    world.settled()
    for controller in (one, other):
        controller.said_once_and_over()
        assert controller.told("ERROR|Traceback") == []
        said = controller.told("cannot begin yet|held again|stands by|this controller leads")
        assert [line for line, again in pairwise(said) if line == again] == []
        assert controller.proxy.busiest_second(began, ended) < REFUSED_PER_SECOND
        assert len(controller.proxy.asked(since=ended)) < CATCHING_UP
    until(lambda: one.leads() is not other.leads(), "one of them leads")


@pytest.mark.parametrize(
    "answer",
    [Answer(429, "TooManyRequests", retry_after=1), Answer(500), Answer(403, "Forbidden")],
    ids=lambda answer: str(answer.status),
)
def test_the_api_server_refuses_everything_for_a_while(world: World, answer: Answer) -> None:
    one = world.controller("one")
    leader(one)
    with Churn(world, answer.status):
        pause(0.5)
        with one.proxy.answering(answer):
            one.proxy.close_watches()
            began = monotonic()
            pause(OUTAGE_SECONDS)
        ended = monotonic()
        pause(0.5)
    world.settled()
    assert one.said_once_and_over()
    assert len(one.told(f" {answer.status} .*{LASTS}")) == 1  # for all the kinds and objects that were refused
    assert one.proxy.busiest_second(began, ended) < REFUSED_PER_SECOND
    assert len(one.proxy.asked(since=ended)) < CATCHING_UP


def test_watches_are_cut_in_the_middle_and_closed_again_and_again(world: World) -> None:
    one = world.controller("one")
    leader(one)
    with Churn(world, 3):
        for _ in range(8):
            one.proxy.cut_next_objects()
            pause(0.3)
            one.proxy.close_watches()
            pause(0.2)
    world.settled()
    assert one.told("failed|Traceback") == []
    # Each goes on where it was: no kind is listed a second time because of it.
    lists = [call.path for call in one.proxy.asked("GET", "^/api/v1/services$") if not call.watch]
    assert len(lists) <= 3  # at the start, and when it took office, then also those of other types


def test_controllers_are_killed_at_random_moments(world: World) -> None:
    one, other = world.controller("one"), world.controller("other")
    dice = random.Random(4)
    with Churn(world, 4):
        for _ in range(3):
            victim = leader(one, other)
            pause(dice.random())
            victim.kill()
            victim.start()
    world.settled()


def test_a_controller_is_killed_between_two_writes(world: World) -> None:
    one, other = world.controller("one"), world.controller("other")
    first = leader(one, other)
    with Churn(world, 5), first.proxy.hold("PATCH", "/services/[^/]+/status$", count=3) as held:
        held.wait_for(3)
        first.kill()
        held.release()
        leader(one if first is other else other)
    world.settled()


@pytest.mark.parametrize("announced", ["", "a"], ids=["the older one stays", "the announced one stays"])
def test_a_write_that_arrives_after_a_change_of_leader(world: World, announced: str) -> None:
    """The former leader gave ``z`` an address, and the write was on its way for longer than its lease."""
    one, other = world.controller("one"), world.controller("other")
    first = leader(one, other)
    second = other if first is one else one
    with first.proxy.hold("PATCH", "/services/z/status$") as late, second.proxy.hold("PATCH", "/services/z/") as later:
        world.create("z")
        late.wait_for()
        pause(1.1)  # creation times are in whole seconds
        first.kill()
        world.create("a")
        until(lambda: bool(world.addresses().get("a")), "the new leader gives the address again")
        (address,) = world.addresses()["a"]
        if announced:
            world.announce(announced, address)
        late.release()
        until(lambda: world.addresses()["z"] == (address,), "the late write arrives")
        later.release()
        until(lambda: len(set(world.addresses().values())) == 2, "they have one each")
    stays, moves = ("a", "z") if announced else ("z", "a")
    assert world.addresses()[stays] == (address,)
    (double,) = world.observer.history.doubles()
    assert isfinite(double.end)
    assert any(f"{world.name}/{moves}: Assigned IP" in line for line in second.told("Assigned IP"))
    assert second.told("ERROR|Traceback") == []


def test_another_controller_that_keeps_writing_the_status_is_named_and_left_alone(world: World) -> None:
    one = world.controller("one")
    leader(one)
    world.create("web")
    until(lambda: bool(world.addresses().get("web")), "it gets an address")
    with world.other_controller("web", "192.0.2.77", manager="k3s"):
        until(lambda: world.events("web", "StatusContested") != [], "it is told")
        world.create("other")
        until(lambda: bool(world.addresses().get("other")), "others are served meanwhile")
        written = len(one.proxy.asked("PATCH", "/services/web/status"))
        pause(2)  # the other one looks twenty times a second
        assert len(one.proxy.asked("PATCH", "/services/web/status")) == written
    assert written < 20  # as often as the contest took, and conditions
    (event,) = world.events("web", "StatusContested")
    assert event["message"].startswith('field manager "k3s" keeps writing this Service')
    assert event.get("count", 1) == 1
    assert world.addresses()["web"] == ("192.0.2.77",)
    world.edit("web")
    until(lambda: "".join(world.addresses()["web"]).startswith("10."), "it is served again after an edit")

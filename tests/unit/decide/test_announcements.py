"""One change costs one Service: what did not change is the same object as before."""

from __future__ import annotations

from msgspec.structs import replace
from tests.unit.decide.worlds import endpoints, name, node, pool, service, world

from metalev.decide.announcements import Announcements
from metalev.model.meta import Name
from metalev.model.services import Service
from metalev.model.snapshot import Snapshot

WEB, DNS = service("web", "10.0.0.1"), service("dns", "10.0.0.2")


def same_after(before: Snapshot, after: Snapshot) -> set[str]:
    """The Services whose announcement is the very same object for both snapshots."""
    announcements = Announcements("node-a")
    first, second = announcements.update(before), announcements.update(after)
    return {key.name for key in first if second.get(key) is first[key]}


def test_only_services_that_hold_an_address_are_announced() -> None:
    pending, cluster_ip = service("pending"), service("inside", "10.0.0.3", kind="ClusterIP")
    assert list(Announcements("node-a").update(world(WEB, pending, cluster_ip))) == [WEB.name]


def test_services_of_another_class_are_left_alone() -> None:
    foreign = replace(WEB, load_balancer_class="kube-vip")
    assert Announcements("node-a").update(world(foreign)) == {}
    assert list(Announcements("node-a", "kube-vip").update(world(foreign, DNS))) == [WEB.name]


def test_an_equal_snapshot_costs_nothing() -> None:
    before = world(WEB, DNS)
    assert same_after(before, replace(before)) == {"web", "dns"}


def test_a_changed_service_costs_only_itself() -> None:
    before = world(WEB, DNS)
    changed: Service = replace(WEB, version="2")
    assert same_after(before, replace(before, services={**before.services, WEB.name: changed})) == {"dns"}


def test_changed_endpoints_cost_only_their_service() -> None:
    before = world(WEB, DNS)
    after = replace(before, endpoints={**before.endpoints, WEB.name: endpoints("web", on="node-b")})
    assert same_after(before, after) == {"dns"}


def test_a_node_that_only_says_that_it_lives_costs_nothing() -> None:
    before = world(WEB, DNS)
    alive = {**before.nodes, Name("", "node-a"): node("node-a", version="2")}
    assert same_after(before, replace(before, nodes=alive)) == {"web", "dns"}


def test_a_changed_pool_is_taken_in() -> None:
    announcements = Announcements("node-a")
    before = world(WEB)
    assert announcements.update(before)[WEB.name].candidates
    away = pool("main", "10.0.1.0/30")
    after = replace(before, pools={away.name: away})
    assert announcements.update(after)[WEB.name].candidates == ()


def test_a_service_that_is_gone_is_forgotten() -> None:
    announcements = Announcements("node-a")
    announcements.update(world(WEB, DNS))
    assert list(announcements.update(world(DNS))) == [name("dns")]

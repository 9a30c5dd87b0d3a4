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


def new(**changes: object) -> Service:
    """A Service of an API server that nobody has made an EndpointSlice for yet."""
    return replace(WEB, **{"selector": {"app": "web"}, "created": 1_700_000_000, **changes})


def candidates(service: Service, *, patient: bool, **changes: object) -> tuple[str, ...]:
    """Who may announce a Service without EndpointSlices."""
    snapshot = replace(world(service), endpoints={}, **changes)
    announced = Announcements("node-a", patient=patient).update(snapshot)[WEB.name].candidates
    return tuple(sorted(one.node for one in announced))


def test_endpoints_that_nobody_has_looked_for_yet_are_not_said_to_be_missing() -> None:
    assert candidates(new(), patient=True) == tuple(sorted(one.name for one in world(WEB).nodes))
    assert candidates(new(), patient=False) == ()


def test_a_slice_without_endpoints_means_that_there_are_none() -> None:
    snapshot = world(new())
    empty = {key: replace(one, endpoints=()) for key, one in endpoints("web", on="node-a").items()}
    snapshot = replace(snapshot, endpoints={WEB.name: empty})
    assert Announcements("", patient=True).update(snapshot)[WEB.name].candidates == ()


def test_nobody_makes_slices_without_a_selector_or_in_a_directory() -> None:
    assert candidates(new(selector={}), patient=True) == ()
    assert candidates(new(created=None), patient=True) == ()


def test_without_an_advertisement_nobody_may_announce_whatever_endpoints_may_come() -> None:
    assert candidates(new(), patient=True, l2_advertisements={}) == ()

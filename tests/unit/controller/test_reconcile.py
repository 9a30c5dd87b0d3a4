"""The controller over a cluster in memory, in virtual time."""

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.fakes.clock import VirtualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.driver import Driver
from tests.unit.controller.driven import MAIN, Controller, addresses, name, names, pool, service

from metalev.controller.reconcile import OVERVIEW, OVERVIEW_PAUSE, ControllerReconciler
from metalev.model.actions import Configuration, SpeakerState
from metalev.model.cluster import BeaconKey, Namespace, Node
from metalev.model.meta import Kind, LabelSelector, Name, ObjectKey
from metalev.model.pools import PoolStatus, ServiceAllocation
from metalev.model.services import Service
from metalev.model.snapshot import Standby
from metalev.runtime.effects import Effects
from metalev.runtime.outcome import Retry


def test_a_service_gets_the_first_free_address_and_an_event() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.9"), service("web")))
    assert controller.addresses() == {"web": "192.0.2.1"}
    assert controller.cluster.statuses[name("web")].pool == "main"
    assert ("IPAllocated", 'Assigned IP ["192.0.2.1"]') in controller.reasons("web")


def test_nothing_is_decided_before_everything_is_listed() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(pool("192.0.2.1/32"))
    driver = Driver(ControllerReconciler(Effects(cluster), clock), clock)
    cluster.start(lambda _: None)
    cluster._sink = driver.loop.inbox.put
    cluster.put(service("web"))
    driver.settle()
    assert driver.outcomes == []
    assert addresses(cluster) == {"web": ""}


@pytest.mark.parametrize("step", [86_400.0, -3_600.0])
def test_a_step_of_the_time_of_day_changes_no_address_and_gives_none_twice(step: float) -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.9"), *names("abc")))
    before, told = controller.addresses(), len(controller.cluster.events)
    controller.reconciler.clock.ahead += step
    controller.cluster.relist()
    controller.settle(within=120)
    assert controller.addresses() == before
    assert len(controller.cluster.events) == told
    controller.put(service("d"))
    given = controller.addresses()
    assert {key: given[key] for key in before} == before
    assert given["d"] not in {"", *before.values()}


def test_an_exhausted_pool_leaves_the_last_one_pending_with_the_reason() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.2"), *names("abc")))
    assert controller.addresses() == {"a": "192.0.2.1", "b": "192.0.2.2", "c": ""}
    message = (
        'Failed to allocate IP for "shop/c": no available IPs '
        '(pool "main" has none left of its 2 IPv4 addresses; make a pool larger, or free an address)'
    )
    assert ("AllocationFailed", message) in controller.reasons("c")
    assert controller.cluster.statuses[name("c")].conditions[0].message == message


def test_a_pool_that_grows_serves_those_that_wait_in_their_order() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1/32"), service("first")))
    controller.put(service("z"))
    controller.put(service("a"))
    controller.put(pool("192.0.2.1-192.0.2.2"))
    assert controller.addresses() == {"first": "192.0.2.1", "z": "192.0.2.2", "a": ""}


def test_a_released_address_goes_to_who_waited_longest() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1/32"), service("holder")))
    controller.put(service("z"))
    controller.put(service("a"))
    controller.cluster.remove(ObjectKey(Kind.SERVICE, name("holder")))
    controller.settle()
    assert controller.addresses() == {"z": "192.0.2.1", "a": ""}


def test_a_release_wakes_one_of_those_that_wait() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.5"), *names("abcdefg")))
    controller.cluster.remove(ObjectKey(Kind.SERVICE, name("a")))
    controller.settle()
    # The released one, the longest waiting of two, and that one again, for which its own write came back.
    assert controller.reconciler.services_seen() == ["a", "f", "f"]


def test_a_change_of_one_service_looks_at_no_other() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.0/24"), *names("abcdefg")))
    controller.put(replace(service("c"), labels={"a": "b"}))
    assert controller.reconciler.services_seen() == ["c"]


def test_a_service_that_is_no_load_balancer_any_more_gives_its_address_back() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1/32"), service("web"), service("zed")))
    controller.put(service("web", kind="ClusterIP"))
    assert controller.addresses() == {"web": "", "zed": "192.0.2.1"}


def test_a_pool_that_shrinks_moves_its_holders() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.2"), *names("ab")))
    controller.put(pool("192.0.2.2-192.0.2.3"))
    assert controller.addresses() == {"a": "192.0.2.3", "b": "192.0.2.2"}
    assert "ClearAssignment" in dict(controller.reasons("a"))


def test_a_bad_pool_does_not_stop_the_good_ones() -> None:
    rival = pool("192.0.2.0/30", of=Name("metallb-system", "rival"))
    controller = Controller(FakeCluster(pool("192.0.2.1/32"), rival, *names("ab")))
    assert controller.addresses()["a"] == "192.0.2.1"
    overlap = 'CIDR "192.0.2.0/30" in pool "rival" overlaps with already defined CIDR "192.0.2.1/32"'
    assert overlap in [event.message for event in controller.cluster.events]
    assert controller.reconciler.figures(controller.loop.snapshot).config_stale


def test_a_rejected_input_makes_the_configuration_stale_until_it_is_mended() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1/32")))
    for message in ("spec.addresses is no list", ""):
        controller.cluster.reject("pools.yaml:1", message)
        controller.settle()
        assert controller.reconciler.figures(controller.loop.snapshot).config_stale == bool(message)


def test_holders_keep_their_addresses_over_a_restart_before_anybody_new_gets_one() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.2"), service("aaa"), service("zed", "192.0.2.1")))
    assert controller.addresses() == {"aaa": "192.0.2.2", "zed": "192.0.2.1"}


def test_a_restart_changes_nothing_and_says_nothing() -> None:
    cluster = FakeCluster(pool("192.0.2.1-192.0.2.2"), *names("abc"))
    Controller(cluster).settle(60)
    statuses, versions = cluster.statuses, {key: obj.version for key, obj in cluster.world.objects.items()}
    told = list(cluster.events)
    cluster.stop()
    Controller(cluster.beside()).settle(60)
    assert cluster.statuses == statuses
    assert {key: obj.version for key, obj in cluster.world.objects.items()} == versions
    assert cluster.events == told


def test_a_stale_write_is_decided_anew_on_the_newer_object() -> None:
    cluster = FakeCluster(pool("192.0.2.0/24"), service("web"), watch=False)
    clock = VirtualClock()
    driver = Driver(ControllerReconciler(Effects(cluster), clock), clock)
    cluster.start(driver.loop.inbox.put)
    cluster.put(service("web", wish="192.0.2.77"))  # the controller has not seen it yet
    driver.settle()
    assert addresses(cluster) == {"web": ""}
    assert isinstance(driver.outcomes[0], Retry)
    cluster.relist()
    driver.settle()
    assert addresses(cluster) == {"web": "192.0.2.77"}


def test_an_address_is_not_lost_when_the_cluster_does_not_answer() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1/32")))
    controller.cluster.unavailable = "connection refused"
    controller.put(service("web"))
    assert controller.addresses() == {"web": ""}
    controller.cluster.unavailable = ""
    controller.settle(within=60)
    assert controller.addresses() == {"web": "192.0.2.1"}
    assert controller.reasons("web").count(("IPAllocated", 'Assigned IP ["192.0.2.1"]')) == 1


def test_retries_back_off_while_the_cluster_does_not_answer() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1/32")))
    controller.cluster.unavailable = "connection refused"
    controller.put(service("web"))
    controller.reconciler.services_seen()
    controller.settle(within=16)
    assert controller.reconciler.services_seen() == ["web"] * 4  # after 1, 2, 4 and 8 seconds


def test_a_namespace_that_gets_a_label_lets_its_services_into_a_pool() -> None:
    allocation = ServiceAllocation(namespace_selectors=(LabelSelector({"team": "red"}),))
    reserved = replace(pool("192.0.2.1/32"), allocation=allocation)
    controller = Controller(FakeCluster(reserved, Namespace(Name("", "shop")), service("web")))
    assert controller.addresses() == {"web": ""}
    controller.put(Namespace(Name("", "shop"), labels={"team": "red"}))
    assert controller.addresses() == {"web": "192.0.2.1"}


def test_figures_show_allocated_and_pending_services() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.2"), *names("abc")))
    controller.settle(OVERVIEW_PAUSE)
    figures = controller.reconciler.figures(controller.loop.snapshot)
    assert (figures.allocated["main"], figures.pending) == (2, 1)
    assert figures.pools == {"main": PoolStatus(assigned_ipv4=2)}
    assert (figures.config_loaded, figures.config_stale) == (True, False)


def test_many_services_are_served_with_few_looks_at_everything() -> None:
    controller = Controller(FakeCluster(pool("10.0.0.0/16")))
    controller.reconciler.seen.clear()
    controller.put(*(service(f"s{number}") for number in range(1000)))
    assert controller.reconciler.figures(controller.loop.snapshot).pending == 0
    assert len(set(controller.addresses().values())) == 1000
    assert controller.reconciler.seen.count(OVERVIEW) <= 20


def test_addresses_that_the_network_uses_are_skipped_and_told_once() -> None:
    node = Node(Name("", "node-a"), addresses=(ip_address("192.0.2.1"),))
    state = SpeakerState(Name("", "node-a"), gateways=("192.0.2.2",))
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.4"), node, state, service("a")))
    controller.put(service("b"))
    controller.settle(60)
    assert controller.addresses() == {"a": "192.0.2.3", "b": "192.0.2.4"}
    (event,) = [one for one in controller.cluster.events if one.reason == "AddressesSkipped"]
    assert event.message == (
        'pool "main" has addresses that are in use and are not handed out: '
        '192.0.2.1 (of node "node-a"), 192.0.2.2 (of a gateway of node "node-a")'
    )
    assert not controller.reconciler.figures(controller.loop.snapshot).config_stale
    assert controller.cluster.pool_statuses == {MAIN: PoolStatus(assigned_ipv4=2)}


def test_how_long_a_service_was_without_its_address_is_told() -> None:
    clock, told = VirtualClock(), list[float]()
    cluster = FakeCluster(pool("192.0.2.1/32"), service("web"))
    driver = Driver(ControllerReconciler(Effects(cluster), clock, allocated=told.append), clock).start(cluster)
    assert told == [0.0]
    cluster.put(service("late"))
    driver.settle(within=30)
    cluster.remove(ObjectKey(Kind.SERVICE, name("web")))
    driver.settle()
    assert told == [0.0, 30.0]


def test_a_controller_that_stands_by_decides_nothing_and_begins_anew_when_it_leads() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(pool("192.0.2.1/32"), service("web"))
    driver = Driver(ControllerReconciler(Effects(cluster), clock), clock)
    driver.loop.inbox.put(Standby(True))
    driver.start(cluster)
    assert addresses(cluster) == {"web": ""}
    driver.loop.inbox.put(Standby(False))
    driver.settle()
    assert addresses(cluster) == {"web": "192.0.2.1"}


def test_a_leader_makes_the_key_of_the_beacons_once() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(pool("192.0.2.1/32"))
    made = iter([BeaconKey(1, b"first" * 8), BeaconKey(1, b"other" * 8)])
    driver = Driver(ControllerReconciler(Effects(cluster), clock, new_key=lambda: next(made)), clock).start(cluster)
    cluster.put(service("web"))
    driver.settle(within=5)
    (secret,) = driver.loop.snapshot.secrets.values()
    assert secret.keys == (BeaconKey(1, b"first" * 8),)


def test_what_is_wrong_with_the_configuration_is_published_and_withdrawn() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1/32")))
    assert controller.cluster.world.configurations == {"controller": Configuration()}
    controller.cluster.reject("IPAddressPool x", "spec.addresses[0]: no")
    controller.settle(within=1)
    assert controller.cluster.world.configurations["controller"].problems == ("IPAddressPool x: spec.addresses[0]: no",)
    controller.cluster.reject("IPAddressPool x", "")
    controller.settle(within=1)
    assert controller.cluster.world.configurations["controller"] == Configuration()


def overwrite(controller: Controller, text: str, address: str) -> None:
    """Another controller writes the status of a Service."""
    found = controller.cluster.get(ObjectKey(Kind.SERVICE, name(text)))
    assert isinstance(found, Service)
    controller.put(replace(found, status=replace(found.status, addresses=(ip_address(address),))))


def test_another_controller_that_keeps_writing_is_left_alone_and_named() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.9"), service("web")))
    controller.cluster.other_writer = "k3s"
    for number in range(10):
        overwrite(controller, "web", f"198.51.100.{number}")
    assert controller.addresses() == {"web": "198.51.100.9"}
    told = [message for reason, message in controller.reasons("web") if reason == "StatusContested"]
    assert len(told) == 1
    assert told[0].startswith('field manager "k3s" keeps writing')


def test_an_edit_takes_a_contested_service_back() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.9"), service("web")))
    for _ in range(3):
        overwrite(controller, "web", "198.51.100.1")
    controller.put(replace(service("web"), labels={"edited": "yes"}))
    assert controller.addresses() == {"web": "192.0.2.1"}


def test_a_contested_service_is_tried_again_after_an_hour() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.9"), service("web")))
    for _ in range(3):
        overwrite(controller, "web", "198.51.100.1")
    controller.settle(within=3600.0)
    assert controller.addresses() == {"web": "192.0.2.1"}


def test_the_key_is_the_same_when_the_secret_was_deleted() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(pool("192.0.2.1/32"))
    made = iter([BeaconKey(1, b"first" * 8), BeaconKey(1, b"other" * 8)])
    driver = Driver(ControllerReconciler(Effects(cluster), clock, new_key=lambda: next(made)), clock).start(cluster)
    cluster.remove(ObjectKey(Kind.SECRET, Name("metallb-system", "metalev-beacon")))
    driver.settle(within=5)
    (secret,) = driver.loop.snapshot.secrets.values()
    assert secret.keys == (BeaconKey(1, b"first" * 8),)

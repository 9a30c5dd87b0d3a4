"""What the controller keeps in the status of a pool: its counts, and what rests."""

from tests.fakes.cluster import FakeCluster
from tests.unit.controller.driven import MAIN, Controller, name, pool, service

from metalev.controller.reconcile import OVERVIEW_PAUSE
from metalev.decide.controller import REST_SECONDS
from metalev.model.meta import Kind, ObjectKey
from metalev.model.pools import PoolStatus


def test_pool_statuses_follow_the_allocations() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.4"), service("a")))
    controller.settle(OVERVIEW_PAUSE)
    assert controller.cluster.pool_statuses == {MAIN: PoolStatus(assigned_ipv4=1, available_ipv4=3)}
    controller.put(service("b"))
    controller.settle(OVERVIEW_PAUSE)
    assert controller.cluster.pool_statuses == {MAIN: PoolStatus(assigned_ipv4=2, available_ipv4=2)}


def remove(controller: Controller, text: str) -> None:
    controller.cluster.remove(ObjectKey(Kind.SERVICE, name(text)))
    controller.settle(OVERVIEW_PAUSE)


def test_what_rests_is_written_and_taken_out_when_the_rest_is_over() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.4"), service("a")))
    remove(controller, "a")
    (resting,) = controller.cluster.pool_statuses[MAIN].resting
    assert (str(resting.address), resting.service) == ("192.0.2.1", name("a"))
    controller.settle(within=REST_SECONDS + 1)
    assert controller.cluster.pool_statuses[MAIN] == PoolStatus(available_ipv4=4)


def test_a_rest_survives_a_restart() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.4"), service("a")))
    remove(controller, "a")
    controller.cluster.stop()
    successor = Controller(controller.cluster.beside())
    successor.put(service("b"), service("a"))
    assert successor.addresses() == {"b": "192.0.2.2", "a": "192.0.2.1"}


def test_a_rest_that_began_a_moment_before_a_stop_survives_it() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.4"), service("a"), service("b")))
    for text in ("a", "b"):  # the second within the pause between two looks at everything
        controller.cluster.remove(ObjectKey(Kind.SERVICE, name(text)))
        controller.settle()
    controller.reconciler.finish(controller.loop.snapshot)
    controller.cluster.stop()
    successor = Controller(controller.cluster.beside())
    successor.put(service("c"))
    assert successor.addresses() == {"c": "192.0.2.3"}


def test_a_status_of_a_pool_that_somebody_edits_is_written_anew() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.4"), service("a")))
    controller.settle(OVERVIEW_PAUSE)
    controller.cluster.world.write_pool_status(MAIN, PoolStatus(assigned_ipv4=99))
    controller.settle(OVERVIEW_PAUSE)
    assert controller.cluster.pool_statuses == {MAIN: PoolStatus(assigned_ipv4=1, available_ipv4=3)}


def test_its_own_write_of_a_pool_makes_it_look_at_nothing() -> None:
    controller = Controller(FakeCluster(pool("192.0.2.1-192.0.2.4"), service("a")))
    controller.settle(60)
    status = PoolStatus(assigned_ipv4=1, available_ipv4=3)
    controller.reconciler.seen.clear()
    controller.cluster.world.write_pool_status(MAIN, status)
    controller.settle(60)
    assert controller.reconciler.seen == []

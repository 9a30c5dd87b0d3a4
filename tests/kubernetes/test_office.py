"""What whoever takes office finds that happened while nobody did."""

from __future__ import annotations

from tests.kubernetes.load import World, leader, until

from metalev.lab.kubernetes.api import Object
from metalev.lab.kubernetes.controlplane import ControlPlane

POOL = "metallb.io/ip-allocated-from-pool"


def ours(service: Object) -> list[str]:
    """What a Service carries that says that it has an address."""
    conditions = [one["type"] for one in service["status"].get("conditions", [])]
    return [*conditions, *({POOL} & set(service["metadata"].get("annotations", {})))]


def test_a_service_that_became_internal_while_no_controller_ran_is_cleared_by_the_next(
    installed: ControlPlane,
) -> None:
    with World(installed, "office", "10.99.0.0/31") as world:
        one = world.controller("one")
        leader(one)
        for name in ("web", "api", "late"):
            world.create(name)
        until(lambda: all(ours(world.get(name)) for name in ("web", "api", "late")), "two have one and one waits")
        one.kill()
        for name in ("web", "late"):
            world.change_type(name, "ClusterIP")
        assert all(ours(world.get(name)) for name in ("web", "late"))
        one.start()
        until(lambda: not any(ours(world.get(name)) for name in ("web", "late")), "they are cleared")
        assert world.addresses()["api"]

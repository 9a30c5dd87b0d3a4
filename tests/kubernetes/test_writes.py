"""What a controller writes about Services, counted by the API server itself; and what it makes of others' writing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.kubernetes.load import SYSTEM, World, leader
from tests.kubernetes.manifests import advertisement
from tests.kubernetes.said import until

from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.kubeconfig import ADMIN

SERVICES = 20
LOOKING = {"GET", "LIST", "WATCH"}


@pytest.fixture
def world(installed: ControlPlane) -> Iterator[World]:
    advertisements = f"/apis/metallb.io/v1beta1/namespaces/{SYSTEM}/l2advertisements"
    api = installed.client(ADMIN)
    api.create(advertisements, advertisement("writes"))
    with World(installed, "writes", "10.98.0.0/24") as made:
        yield made
    api.delete(f"{advertisements}/writes")
    api.close()


def writes(plane: ControlPlane) -> Counter[str]:
    """How often Services and events were written since the server started: ``PATCH services/status``."""
    found: Counter[str] = Counter()
    metrics = plane.kubectl("get", "--raw", "/metrics")
    for labels, number in re.findall(r"^apiserver_request_total\{(.*)\} (\d+)", metrics, re.MULTILINE):
        of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if of["resource"] in {"services", "events"} and of["verb"] not in LOOKING:
            found[f"{of['verb']} {of['resource']}/{of['subresource']}".rstrip("/")] += int(number)
    return found


def await_writes(world: World, before: Counter[str], wanted: dict[str, int]) -> None:
    """Wait until so many have been written, and hold them to be no more and no others."""
    until(lambda: Counter(wanted) <= writes(world.plane) - before, f"these are written: {wanted}")
    assert writes(world.plane) - before == wanted


def endpoint(world: World, name: str) -> None:
    """A ready endpoint of a Service, so that there is nothing to complain of."""
    api = world.plane.client(ADMIN)
    slice_ = {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": ["10.244.1.2"], "nodeName": "node1", "conditions": {"ready": True}}],
    }
    api.create(f"/apis/discovery.k8s.io/v1/namespaces/{world.name}/endpointslices", slice_)
    api.close()


def test_a_service_costs_one_patch_and_one_event_and_a_change_that_is_none_nothing(world: World) -> None:
    for name in (*(f"filled{number}" for number in range(SERVICES)), "first", "last", "afterwards"):
        endpoint(world, name)
    leader(world.controller("one"))
    world.create("first")
    until(lambda: bool(world.events("first", "IPAllocated")), "what there is to say at the start is said")
    before = writes(world.plane)
    names = world.fill(SERVICES)
    world.settled()
    world.create("last")  # what was written too much for those before it has been counted by then
    world.settled()
    written = {"PATCH services/status": SERVICES + 1, "POST events": SERVICES + 1}
    await_writes(world, before, {"POST services": SERVICES + 1, **written})

    before = writes(world.plane)
    for name in names:
        world.edit(name)
    world.create("afterwards")
    world.settled()
    written = {"PATCH services/status": 1, "POST events": 1}
    await_writes(world, before, {"PATCH services": SERVICES, "POST services": 1, **written})


def test_a_status_with_two_addresses_of_one_family_that_was_left_behind_is_named_and_mended(world: World) -> None:
    left = {"twice": ["10.98.0.7", "10.98.0.8"], "once": ["10.98.0.9"]}
    api = world.plane.client(ADMIN)
    for name, addresses in left.items():
        world.create(name)
        shown = {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}
        api.patch(f"{world.path}/{name}/status", {"status": shown})
    api.close()
    one = world.controller("one")
    leader(one)
    until(lambda: len(world.addresses()["twice"]) == 1, "it has one address")
    until(lambda: bool(world.events("twice", "nolbIPsIPFamily")), "it is told")
    (event,) = world.events("twice", "nolbIPsIPFamily")
    assert (event["type"], event.get("count", 1)) == ("Warning", 1)
    assert event["message"].endswith('IPFamilyForAddresses: same address family ["10.98.0.7" "10.98.0.8"]')
    assert world.addresses()["once"] == ("10.98.0.9",)
    assert one.told("ERROR|Traceback") == []

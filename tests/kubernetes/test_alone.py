"""Speakers without an API server for longer than anything of theirs lasts: all stays, and moves when a node dies.

The leases of the controllers and speakers end here; what lasts longer is tested in virtual time
(``tests/unit/speaker/test_an_hour_alone.py``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.kubernetes.asking import Asking, announcers, unexplained
from tests.kubernetes.manifests import advertisement, apply, deployment, pool, service
from tests.kubernetes.said import Said, log_of, until

from metalev.lab.kubernetes.cluster import KubernetesLab
from metalev.model.address import IPAddress

pytestmark = pytest.mark.timeout(600)

VIPS = 9
POOL = pool("first-pool", "192.168.1.200-192.168.1.220")
ADVERTISEMENT = advertisement("all")
PATIENCE = 120
LOST = "the lease .* is lost"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[KubernetesLab]:
    with KubernetesLab(tmp_path, ipv6=False) as lab:
        lab.install()
        apply(lab, POOL, ADVERTISEMENT, deployment("web", 3))
        lab.wait_for_pods("app=web", 3, timeout=PATIENCE)
        yield lab


def test_without_an_api_server_for_longer_than_any_lease_everything_stays_and_moves_and_comes_back(
    lab: KubernetesLab,
) -> None:
    names = [f"alone{number}" for number in range(VIPS)]
    apply(lab, *(service(name, selector={"app": "web"}, ipFamilyPolicy="SingleStack") for name in names))
    given = {name: lab.wait_for_addresses(name, timeout=PATIENCE)[0] for name in names}
    logs = {node: log_of(process) for node, process in lab.programs("speaker").items()}
    before = announcers(lab, given.values())
    lab.plane.apiserver.kill()
    with Asking(lab, before, logs) as asking:
        until(lambda: all(said.told(LOST) for said in logs.values()), "the leases of all speakers have ended")
        asking.go_on()
    assert asking.unexplained() == []

    since, before = from_now(logs), announcers(lab, before)
    back, dead = sorted(set(before.values()))[:2]
    lab.pause(back)
    until(lambda: back not in announcers(lab, before).values(), f"others answer for what {back} had")
    moved = announcers(lab, before)
    stayed = {address: node for address, node in before.items() if node != back}
    assert unexplained(stayed, moved, since, back) == {}
    lab.resume(back)
    until(lambda: bool(logs[dead].told(f"{back} is heard on")), f"{dead} hears {back} again")
    assert unexplained(moved, announcers(lab, before), since, back) == {}

    since, moved = from_now(logs), announcers(lab, before)
    lab.kill(dead)
    until(lambda: dead not in announcers(lab, before).values(), f"others answer for what {dead} had")
    stayed = {address: node for address, node in moved.items() if node != dead}
    assert unexplained(stayed, announcers(lab, before), since, dead) == {}

    since, alone = from_now(logs), announcers(lab, before)
    lab.plane.apiserver.start()
    lab.revive(dead)
    until(lambda: holdings(lab) == by_node(announcers(lab, before)), "every speaker has written what it announces")
    assert unexplained(alone, announcers(lab, before), since, dead) == {}
    assert {name: lab.wait_for_addresses(name)[0] for name in names} == given
    survivors = [said for node, said in logs.items() if node != dead]
    for said in survivors:
        assert said.once_and_over()
        assert len(said.told(LOST)) == len(said.told("the lease .* is held again")) == 1
    apply(lab, service("afterwards", selector={"app": "web"}, ipFamilyPolicy="SingleStack"))
    (address,) = lab.wait_for_addresses("afterwards", timeout=PATIENCE)
    lab.wait_for_announcer(address, PATIENCE)


def from_now(logs: Mapping[str, Said]) -> Mapping[str, Said]:
    return {node: said.from_now() for node, said in logs.items()}


def by_node(found: Mapping[IPAddress, str]) -> Mapping[str, set[IPAddress]]:
    sets: dict[str, set[IPAddress]] = defaultdict(set)
    for address, node in found.items():
        sets[node].add(address)
    return dict(sets)


def holdings(lab: KubernetesLab) -> Mapping[str, set[IPAddress]]:
    """What each speaker says in its state to announce, if that is anything."""
    items = json.loads(lab.plane.kubectl("get", "speakerstates", "-o", "json"))["items"]
    held = {
        item["metadata"]["name"]: {
            ip_address(address)
            for holding in item.get("status", {}).get("holdings", ())
            for address in holding["addresses"]
        }
        for item in items
    }
    return {node: addresses for node, addresses in held.items() if addresses}

"""Who gets an address back when a node returns: by the option, by the annotation, and by a preference."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv4Address
from typing import Any

import pytest
from tests.scenario.strangers import PATIENCE, events

from metalev.lab import manifests
from metalev.lab.cluster import LabCluster
from metalev.lab.topology import home_network

pytestmark = pytest.mark.timeout(900)

# Beacons so seldom that a busy machine has nobody taken for dead who lives.
OPTIONS = ("--beacon-interval", "1s", "--preempt", "immediate", "--hold-down", "3s")
FIRST, SECOND = "node1", "node2"
POLICIES = ("immediate", "balanced", "sticky")
# That of the option has no annotation.
ANNOTATED = frozenset(POLICIES[1:])


def first_of(node: str, other: str, number: int) -> list[IPv4Address]:
    """Addresses of which ``node`` is the first candidate and ``other`` the second."""

    def place(name: str, address: IPv4Address) -> bytes:
        return sha256(f"{name}#{address}".encode()).digest()

    pool = (IPv4Address("192.168.1.200") + step for step in range(31))
    return [address for address in pool if place(node, address) < place(other, address)][:number]


VIPS = dict(zip(POLICIES, first_of(FIRST, SECOND, len(POLICIES)), strict=True))


def advertisement(policy: str, *, preferred: str = "") -> dict[str, Any]:
    """The L2Advertisement of a policy's pool."""
    made = manifests.l2_advertisement(policy, (policy,))
    if policy in ANNOTATED:
        made["metadata"]["annotations"] = {"metalev.io/preempt": policy}
    if preferred:
        match = {"matchLabels": {"kubernetes.io/hostname": preferred}}
        made["spec"]["preferredNodeSelectors"] = [{"weight": 10, "preference": match}]
    return made


def write_pools(cluster: LabCluster, *, preferred: str = "") -> None:
    """A pool of one address for each policy; of the sticky one the announcements may prefer a node."""
    pools = [manifests.pool(policy, (f"{vip}/32",)) for policy, vip in VIPS.items()]
    told = [advertisement(policy, preferred=preferred if policy == "sticky" else "") for policy in POLICIES]
    cluster.manifests.write("pools", *pools, *told)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Two nodes, of which the first, which comes first for every address, was away and is back."""
    with LabCluster(home_network(nodes=2, pods_per_node=1), tmp_path_factory.mktemp("back"), serving=False) as cluster:
        write_pools(cluster)
        for policy in POLICIES:
            cluster.manifests.write_service(policy, annotations={"metallb.io/address-pool": policy})
        cluster.start_controller()
        cluster.start_speaker(SECOND, *OPTIONS)
        for vip in VIPS.values():
            cluster.speaker(SECOND).wait_for(f"took {vip} ", timeout=PATIENCE)
        cluster.start_speaker(FIRST, *OPTIONS)
        yield cluster


def line(cluster: LabCluster, node: str, text: str) -> str:
    """The last line of the node's log with ``text``, once there is one."""
    cluster.speaker(node).wait_for(text, timeout=PATIENCE)
    return [one for one in cluster.speaker(node).output().splitlines() if text in one][-1]


@pytest.mark.parametrize("policy", ["immediate", "balanced"])
def test_what_may_be_taken_back_is_and_both_sides_the_event_and_the_metric_say_why(
    cluster: LabCluster, policy: str
) -> None:
    vip = VIPS[policy]
    assert "cause=fail-back" in line(cluster, FIRST, f"took {vip} ")
    assert "cause=fail-back" in line(cluster, SECOND, f"fell silent for {vip}: {FIRST} comes before this node")
    assert cluster.wait_for_announcer(vip, timeout=PATIENCE).name == FIRST
    assert cluster.metrics(FIRST)['metalev_moves_total{reason="fail-back"}'] >= 1
    said = f'{vip} moved from node "{SECOND}" to node "{FIRST}": fail-back'
    cluster.wait_for("the event is told", lambda _: said in events(cluster), timeout=PATIENCE)


def test_what_is_sticky_stays_though_all_else_has_been_taken_back(cluster: LabCluster) -> None:
    line(cluster, FIRST, f"took {VIPS['balanced']} ")
    assert cluster.wait_for_announcer(VIPS["sticky"], timeout=PATIENCE).name == SECOND
    assert f"took {VIPS['sticky']} " not in cluster.speaker(FIRST).output()


def test_a_higher_score_is_taken_back_though_it_is_sticky(cluster: LabCluster) -> None:
    line(cluster, FIRST, f"took {VIPS['balanced']} ")
    write_pools(cluster, preferred=FIRST)
    vip = VIPS["sticky"]
    assert "cause=higher-score" in line(cluster, FIRST, f"took {vip} ")
    assert "cause=higher-score" in line(cluster, SECOND, f"fell silent for {vip}: {FIRST} is preferred to this node")
    assert cluster.wait_for_announcer(vip, timeout=PATIENCE).name == FIRST

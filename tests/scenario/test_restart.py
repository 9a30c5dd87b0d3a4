"""A speaker that is killed and starts again before its peers give it up: nothing moves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.scenario.strangers import PATIENCE

from metalev.lab.cluster import LabCluster
from metalev.lab.topology import home_network

pytestmark = pytest.mark.timeout(900)

# A dead time of half a minute: a Python program starts within it, also on a busy machine.
SLOW = ("--beacon-interval", "3", "--beacon-misses", "10")


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Three nodes whose speakers are patient with one another."""
    with LabCluster(home_network(nodes=3, pods_per_node=1), tmp_path_factory.mktemp("restart")) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web")
        cluster.start_controller()
        for name in cluster.lab.nodes:
            cluster.start_speaker(name, *SLOW)
        yield cluster


def test_a_restart_within_the_dead_time_moves_nothing_and_both_sides_say_so(cluster: LabCluster) -> None:
    vip = cluster.wait_for_address("web")
    owner = cluster.wait_for_announcer(vip, timeout=PATIENCE)
    others = [name for name in cluster.lab.nodes if name != owner.name]
    for name in others:
        cluster.speaker(name).wait_for(f"{owner.name} is heard on eth0", timeout=PATIENCE)
    cluster.speaker(owner.name).kill()
    restarted = cluster.start_speaker(owner.name, *SLOW)
    # It listens for a dead time first: until then nobody answers, and nobody else takes what it had.
    restarted.wait_for(f"took {vip} ", timeout=PATIENCE)
    assert cluster.wait_for_announcer(vip, timeout=PATIENCE) == owner
    assert re.search(rf"took {vip} .*cause=(first-candidate|passed-over)", restarted.output())
    for name in others:
        log = cluster.speaker(name).output()
        assert f"took {vip}" not in log
        assert f"{owner.name} is no longer heard" not in log

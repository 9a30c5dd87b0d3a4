"""What is held is announced for ever, as often as the option says."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from tests.scenario.strangers import PATIENCE

from metalev.lab import arp, ndp
from metalev.lab.arp import Frame
from metalev.lab.capture import Capture
from metalev.lab.cluster import LabCluster
from metalev.lab.topology import home_network
from metalev.model.address import IPAddress

INTERVAL = 5
REFRESHES = 3  # within PATIENCE; at the default of a minute there would be two


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """A node that repeats every few seconds what it announces, but has not been started yet."""
    directory = tmp_path_factory.mktemp("refresh")
    with LabCluster(home_network(nodes=1, pods_per_node=1, ipv6=True), directory) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("dual", families=(4, 6))
        cluster.start_controller()
        yield cluster


def test_what_is_held_is_announced_every_so_often_in_both_families(cluster: LabCluster) -> None:
    four, six = cluster.wait_for_addresses("dual", count=2)
    client = cluster.lab.client
    with client.capture() as arps, client.capture(ndp.ETHERTYPE_IPV6) as ndps:
        cluster.start_speaker("node1", "--gratuitous-interval", str(INTERVAL))
        await_refreshes(arps, four)
        await_refreshes(ndps, six)


def await_refreshes(tape: Capture, address: IPAddress) -> None:
    tape.wait_for(lambda _: len(refreshes(tape, address)) >= REFRESHES, timeout=PATIENCE)


def refreshes(tape: Capture, address: IPAddress) -> list[float]:
    """When it was announced unasked after a pause that no burst has (1.1 s), and half of the interval or longer."""
    told = [frame.at for frame in tape.frames if announces(frame, address)]
    return [later for earlier, later in pairwise(told) if later - earlier > INTERVAL / 2]


def announces(frame: Frame, address: IPAddress) -> bool:
    if frame.arp is not None:
        return frame.arp.operation == arp.REPLY and frame.arp.gratuitous and frame.arp.sender == address
    return frame.ndp is not None and frame.ndp.unsolicited and frame.ndp.target == address

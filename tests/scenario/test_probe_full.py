"""With ``--probe full`` nothing is announced for the first time before the whole schedule of RFC 5227 is over."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from tests.scenario.strangers import PATIENCE, states

from metalev.lab import arp
from metalev.lab.arp import Frame
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Host
from metalev.lab.links import wait_until
from metalev.lab.topology import home_network

NOBODY = IPv4Address("0.0.0.0")
ADDRESS = IPv4Address("192.168.1.200")
PROBE_NUM = 3


pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """A node with such a speaker."""
    with LabCluster(home_network(nodes=1, pods_per_node=1), tmp_path_factory.mktemp("probe-full")) as cluster:
        cluster.manifests.write_pool(f"{ADDRESS}-{ADDRESS + 3}")
        cluster.start_controller()
        (node,) = cluster.lab.nodes
        cluster.start_speaker(node, "--probe", "full").wait_for("new table")
        yield cluster


def is_clean(cluster: LabCluster, address: IPv4Address) -> bool:
    """Whether the speaker says that nobody has a free address."""
    return any(str(address) in state["clean"] for state in states(cluster))


def probes(frame: Frame, address: IPv4Address) -> bool:
    """Whether a frame asks under no address whether anybody has this one (RFC 5227 section 2.1.1)."""
    asked = frame.arp
    return bool(asked and asked.operation == arp.REQUEST and (asked.sender, asked.target) == (NOBODY, address))


def announces(frame: Frame, address: IPv4Address, but_not: Host) -> bool:
    """Whether a frame of somebody else announces an address."""
    told = frame.arp
    return bool(told and told.gratuitous and told.sender == address and told.sender_mac != but_not.mac)


def test_an_address_is_probed_three_times_before_its_first_announcement(cluster: LabCluster) -> None:
    client = cluster.lab.client
    # What is asked ahead of time is over.
    wait_until(lambda: is_clean(cluster, ADDRESS), f"{ADDRESS} to be clean", timeout=PATIENCE)
    with client.capture() as tape:
        cluster.manifests.write_service("web")
        assert cluster.wait_for_address("web") == ADDRESS
        first = tape.wait_for(lambda frame: announces(frame, ADDRESS, client), timeout=PATIENCE)
        before = [frame for frame in tape.frames if probes(frame, ADDRESS) and frame.at < first.at]
    assert len(before) >= PROBE_NUM
    cluster.wait_for_announcer(ADDRESS)


def test_while_a_host_has_the_address_it_is_not_announced_and_once_that_has_left_it_is(cluster: LabCluster) -> None:
    client, wanted = cluster.lab.client, ADDRESS + 1
    own = [f"{wanted}/32", "dev", "eth0"]
    wait_until(lambda: is_clean(cluster, wanted), f"{wanted} to be clean", timeout=PATIENCE)
    client.run(["ip", "address", "add", *own])
    with client.capture() as tape:
        cluster.manifests.write_service("taken", annotations={"metallb.io/loadBalancerIPs": str(wanted)})
        assert cluster.wait_for_address("taken") == wanted
        tape.wait_for(lambda frame: probes(frame, wanted), timeout=PATIENCE)
        in_use = f"{wanted} is in use by somebody else, {client.mac}"
        cluster.speaker(next(iter(cluster.lab.nodes))).wait_for(in_use)
        client.run(["ip", "address", "delete", *own])
        left = tape.wait_for(lambda frame: announces(frame, wanted, client), timeout=PATIENCE).at
        asked = [frame.at for frame in tape.frames if probes(frame, wanted) and frame.at < left]
    assert len(asked) > PROBE_NUM, "a whole series once it had left"

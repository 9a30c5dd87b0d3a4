"""A host that is none of ours has an address of the pool: it is found before the address is given away, and after."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from tests.scenario.strangers import PATIENCE, events, said, states

from metalev.lab import arp
from metalev.lab.arp import Frame
from metalev.lab.cluster import LabCluster
from metalev.lab.links import wait_until
from metalev.lab.topology import home_network
from metalev.model.address import IPAddress

FOREIGN = {4: ip_address("192.168.1.200"), 6: ip_address("fd00:192:168:1::200")}
CLAIMS = "metalev_layer2_foreign_claims_total"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Three nodes; the client has had the first address of the pool of each family since before they started."""
    directory: Path = tmp_path_factory.mktemp("conflicts")
    with LabCluster(home_network(nodes=3, pods_per_node=1, ipv6=True), directory) as cluster:
        for address in FOREIGN.values():
            have(cluster, address)
        cluster.manifests.write_pool()
        cluster.start()
        # One that says to hear another which has not yet said so in turn is taken for dead, and not believed.
        wait_until(lambda: all_heard(cluster), "every speaker to say that it hears the others", timeout=PATIENCE)
        yield cluster


def all_heard(cluster: LabCluster) -> bool:
    return [len(state["peersHeard"]) for state in states(cluster)] == [2, 2, 2]


def have(cluster: LabCluster, address: IPAddress) -> None:
    """Give the client an address of its own, at once."""
    length = 24 if address.version == 4 else 64
    cluster.lab.client.run(["ip", "address", "add", f"{address}/{length}", "dev", "eth0", "nodad"])


def claim(cluster: LabCluster, address: IPAddress) -> None:
    """Say once, to everybody, that the client has an address."""
    client = cluster.lab.client
    assert isinstance(address, IPv4Address)
    client.send(arp.reply(client.mac, address, arp.BROADCAST, address))


def given(cluster: LabCluster, name: str, family: int = 4) -> IPAddress:
    cluster.manifests.write_service(name, families=(6,) if family == 6 else (4,))
    (address,) = cluster.wait_for_addresses(name)
    return address


@pytest.mark.parametrize("family", [4, 6])
def test_an_address_that_a_host_has_is_found_by_a_probe_and_given_to_nobody(cluster: LabCluster, family: int) -> None:
    foreign, client = FOREIGN[family], cluster.lab.client
    text = f"{foreign} is in use by somebody else, {client.mac} on eth0"
    wait_until(lambda: bool(said(cluster, text)), f"a speaker to say: {text}", timeout=PATIENCE)
    named = re.compile(rf"{re.escape(str(foreign))} \(in use by {client.mac} \(seen on eth0 by node")
    wait_until(
        lambda: named.search(events(cluster)) is not None, "the pool's event to name who has it", timeout=PATIENCE
    )
    assert given(cluster, f"beside{family}", family) != foreign


def test_the_others_are_found_to_be_clean(cluster: LabCluster) -> None:
    def clean() -> set[str]:
        return {address for state in states(cluster) for address in state["clean"]}

    last = {"192.168.1.210", "fd00:192:168:1::210"}
    wait_until(lambda: last <= clean(), "the last of both families to be clean", timeout=PATIENCE)
    assert not clean() & set(map(str, FOREIGN.values()))
    assert sum(cluster.metrics(name)["metalev_probes_sent_total"] for name in cluster.lab.nodes) >= 3 * 20


def test_a_host_that_takes_an_announced_address_is_counted_named_and_answered_once_in_ten_seconds(
    cluster: LabCluster,
) -> None:
    vip, client = ip_address("192.168.1.208"), cluster.lab.client
    # By its name, so that it is not replaced.
    cluster.manifests.write_service("defended", annotations={"metallb.io/loadBalancerIPs": str(vip)})
    owner = cluster.wait_for_announcer(vip)
    sample = f'{CLAIMS}{{ip="{vip}"}}'

    def announces(frame: Frame) -> bool:
        return frame.source == owner.mac and frame.arp is not None and frame.arp.gratuitous

    # The burst after the takeover is over when the address has been announced six times.
    gratuitous = f'metallb_layer2_gratuitous_sent{{ip="{vip}"}}'
    wait_until(lambda: cluster.metrics(owner.name).get(gratuitous, 0) >= 12, "the burst to be over", timeout=PATIENCE)
    began = time.monotonic()
    with client.capture() as tape:
        for _ in range(30):
            claim(cluster, vip)
        wait_until(lambda: cluster.metrics(owner.name).get(sample, 0) >= 30, "all of them to be counted", PATIENCE)
        tape.wait_for(announces)
    elapsed = time.monotonic() - began
    frames = [frame for frame in tape.frames if announces(frame) and frame.arp and frame.arp.operation == arp.REQUEST]
    # One more for a refresh.
    assert 1 <= len(frames) <= 2 + elapsed / 10
    assert any(client.mac in line for line in said(cluster, f"says that {vip} is its own"))


def test_who_was_given_it_a_moment_ago_is_given_another_and_keeps_that_whatever_happens(cluster: LabCluster) -> None:
    first = given(cluster, "moved")
    cluster.wait_for_announcer(first)
    claim(cluster, first)
    cluster.wait_for("another address", lambda _: cluster.status("moved").addresses not in {(), (first,)}, PATIENCE)
    (second,) = cluster.status("moved").addresses
    (condition,) = (one for one in cluster.status("moved").conditions if one.type == "metalev.io/AddressReplaced")
    assert f'"{first}" is an address in use by {cluster.lab.client.mac}' in condition.message
    assert f'assigned "{second}" instead' in condition.message
    assert "AddressReplaced" in events(cluster)
    cluster.wait_for_announcer(second)
    claim(cluster, second)
    wait_until(lambda: f'"{second}" is an address in use by' in events(cluster), "a warning about it", timeout=PATIENCE)
    assert cluster.status("moved").addresses == (second,)


def test_an_address_asked_for_by_name_is_reported_and_stays(cluster: LabCluster) -> None:
    wanted = ip_address("192.168.1.209")
    cluster.manifests.write_service("named", annotations={"metallb.io/loadBalancerIPs": str(wanted)})
    assert cluster.wait_for_address("named") == wanted
    cluster.wait_for_announcer(wanted)
    claim(cluster, wanted)
    wait_until(lambda: f'"{wanted}" is an address in use by' in events(cluster), "a warning about it", timeout=PATIENCE)
    assert cluster.status("named").addresses == (wanted,)


@pytest.fixture
def trap(cluster: LabCluster) -> Iterator[IPAddress]:
    """An address that every node's kernel has on kube-proxy's interface, as in IPVS mode without strictARP.

    A bridge stands for the dummy interface, which not every kernel has.
    """
    address = ip_address("192.168.1.207")
    for node in cluster.lab.nodes.values():
        node.run(["ip", "link", "add", "kube-ipvs0", "type", "bridge"])
        node.run(["ip", "address", "add", f"{address}/32", "dev", "kube-ipvs0"])
    yield address
    for node in cluster.lab.nodes.values():
        node.run(["ip", "link", "delete", "kube-ipvs0"])


def test_our_own_kernels_that_answer_are_named_with_the_cure_and_not_fought(
    cluster: LabCluster, trap: IPAddress
) -> None:
    cluster.manifests.write_service("trapped", annotations={"metallb.io/loadBalancerIPs": str(trap)})
    assert cluster.wait_for_address("trapped") == trap
    text = f"answers for {trap}, which its speaker does not hold: in kube-proxy's IPVS mode set strictARP: true"
    wait_until(lambda: bool(said(cluster, text)), "a kernel to be named", timeout=PATIENCE)
    wait_until(lambda: f"TwoAnswers {trap} is announced by" in events(cluster), "a warning", timeout=PATIENCE)
    assert not said(cluster, f"{trap} is in use by somebody else")
    samples = {name: cluster.metrics(name) for name in cluster.lab.nodes}
    assert not any(
        value for each in samples.values() for name, value in each.items() if name == f'{CLAIMS}{{ip="{trap}"}}'
    )
    assert any(each['metalev_witness_results_total{result="two-answers"}'] for each in samples.values())


def test_what_is_announced_is_asked_for_and_answered(cluster: LabCluster) -> None:
    def answered(name: str) -> bool:
        return cluster.metrics(name)['metalev_witness_results_total{result="answered"}'] > 0

    for name in cluster.lab.nodes:
        wait_until(partial(answered, name), f"{name} to be answered", timeout=PATIENCE)

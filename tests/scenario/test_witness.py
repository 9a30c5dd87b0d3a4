"""Each speaker asks for what is announced as a client would, and says what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address

import pytest
from tests.scenario.strangers import PATIENCE, Answering, broadcasts_lost, events, problems, said, samples

from metalev.lab import arp
from metalev.lab.arp import Frame
from metalev.lab.capture import Capture
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.links import wait_until
from metalev.lab.topology import home_network
from metalev.model.address import IPAddress

pytestmark = pytest.mark.timeout(900)

SILENT, WRONG, TWICE = (ip_address(f"192.168.1.{last}") for last in (201, 202, 203))
AGAIN = "is answered for as it should be again"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Three nodes and a pool."""
    with LabCluster(home_network(nodes=3, pods_per_node=1), tmp_path_factory.mktemp("witness")) as cluster:
        cluster.manifests.write_pool()
        cluster.start()
        yield cluster


def announced(cluster: LabCluster, address: IPAddress) -> None:
    """Have a Service of its own ask for an address by name, so that nothing replaces it."""
    name = f"web-{str(address).rpartition('.')[2]}"
    cluster.manifests.write_service(name, annotations={"metallb.io/loadBalancerIPs": str(address)})
    assert cluster.wait_for_addresses(name) == (address,)


def is_told(cluster: LabCluster, reason: str, address: IPAddress, text: str) -> None:
    """Wait until the log, an event of the Service and the problems of a state have the same sentence."""
    # A machine that is busy with something else may make the address move meanwhile.
    sentence = re.compile(rf"{re.escape(str(address))} is announced by node\d, and {re.escape(text)}")

    def told_everywhere() -> bool:
        event = {
            match[0] for match in re.finditer(rf"(?<=^{reason} ){sentence.pattern}", events(cluster), re.MULTILINE)
        }
        problem = {match[0] for one in problems(cluster, text) if (match := sentence.search(one))}
        line = {match[0] for one in said(cluster, text) if (match := sentence.search(one))}
        return bool(event & problem & line)

    wait_until(told_everywhere, f"an event {reason}, a problem and a line of a log: {text}", timeout=PATIENCE)


def counted(cluster: LabCluster, result: str) -> float:
    """How often that came of asking, by all speakers together."""
    return samples(cluster, re.escape(f'metalev_witness_results_total{{result="{result}"}}'))


def test_an_announced_address_that_nobody_answers_for_is_told_and_announced_again_until_it_is_over(
    cluster: LabCluster,
) -> None:
    with ExitStack() as stack, broadcasts_lost(cluster):
        tapes = [(node, stack.enter_context(node.capture())) for node in cluster.lab.nodes.values()]
        announced(cluster, SILENT)
        is_told(cluster, "NoAnswer", SILENT, "nobody on eth0 answers for it")
        again = partial(any_was_asked_alone_and_announced, tapes, SILENT)
        wait_until(again, "its announcer to be asked alone and to announce it again", timeout=PATIENCE)
        assert counted(cluster, "no-answer") >= 1
    wait_until(lambda: not problems(cluster, str(SILENT)), "it to be over", timeout=PATIENCE)
    assert said(cluster, f"{SILENT} {AGAIN}, by node")


def any_was_asked_alone_and_announced(tapes: list[tuple[Node, Capture]], address: IPAddress) -> bool:
    """Whether a node was asked alone for an address, and said to everybody after that where it is."""

    def was(node: Node, frames: list[Frame]) -> bool:
        asked = [frame.at for frame in frames if asks(frame, node, address)]
        return any(frame.at > at for frame in frames if announces(frame, node, address) for at in asked[:1])

    return any(was(node, tape.frames) for node, tape in tapes)


def asks(frame: Frame, owner: Node, address: IPAddress) -> bool:
    """Whether a frame asks the announcer alone for an address."""
    asked = frame.arp
    return bool(asked and asked.operation == arp.REQUEST and asked.target == address and frame.destination == owner.mac)


def announces(frame: Frame, owner: Node, address: IPAddress) -> bool:
    """Whether the announcer says to everybody where an address is."""
    told = frame.arp
    return bool(told and told.gratuitous and told.sender == address and frame.source == owner.mac)


def test_an_answer_of_a_stranger_instead_of_the_announcers_is_told_with_its_mac(cluster: LabCluster) -> None:
    stranger = cluster.lab.client
    with broadcasts_lost(cluster), Answering(stranger, [WRONG]):
        announced(cluster, WRONG)
        is_told(cluster, "WrongAnswer", WRONG, f"on eth0 {stranger.mac} answers for it instead")
    assert counted(cluster, "wrong-answer") >= 1


def test_an_answer_of_a_stranger_beside_the_announcers_is_told_with_its_mac_and_is_a_conflict(
    cluster: LabCluster,
) -> None:
    stranger = cluster.lab.client
    with Answering(stranger, [TWICE]):
        announced(cluster, TWICE)
        is_told(cluster, "TwoAnswers", TWICE, f"on eth0 {stranger.mac} answers for it, too")
        assert counted(cluster, "two-answers") >= 1
        text = f'AddressInUse "{TWICE}" is an address in use by {stranger.mac}'
        wait_until(lambda: text in events(cluster), f"an event {text}", timeout=PATIENCE)
        assert samples(cluster, rf'metalev_address_conflicts\{{ip="{TWICE}",mac="{stranger.mac}"\}}') >= 1

"""How many ARP requests and neighbour solicitations the speaker answers per second, beside the kernel's own responder.

Method. A client asks 20,000 times for one address, at most 128 questions open at a time (``questions``), fifteen rounds
for each responder in turn, of which the best one counts: first the kernel, for an address on the node's interface; then
the speaker, for the address of a Service. Both answer over the same two veth pairs and the same bridge, and **on the
same core**: the client and every thread of the speaker are kept on one, so that asking and answering take turns. The
client's work is in both rates, and brings their ratio nearer to 1 than that of the responders alone would be.

What limits. On veth the kernel answers inside the very system call that asks, and never wakes a process; the speaker is
woken (after the kernel has looked at each request itself, and not answered), reads, and writes. Neither figure is a
NIC's, and a real segment carries a few requests per second and address: what is shown is that a storm of them is no
danger.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

import pytest
from bench import cores
from bench.questions import Answers, Questions
from bench.report import Benchmark

from metalev.lab.cluster import LabCluster
from metalev.lab.links import UPLINK
from metalev.lab.topology import home_network
from metalev.model.address import Family, IPAddress

REQUESTS = 20_000
ROUNDS = 15
ON_THE_INTERFACE: Mapping[Family, IPAddress] = {4: IPv4Address("192.168.1.250"), 6: IPv6Address("fd00:192:168:1::250")}
QUESTION = {4: "ARP requests", 6: "neighbour solicitations"}
OF_THE_KERNEL = 0.35

CORE, _ = cores.first_and_last()
Tell = Callable[[str], None]

families = pytest.mark.parametrize("family", [4, 6])
answered = pytest.mark.benchmark(group=f"{REQUESTS:,} questions answered")


class Segment:
    """A node with a speaker that answers for one Service, a client, and nobody else who hears what is asked.

    ``rates`` are the answers per second of this run, by who answers and the family.
    """

    def __init__(self, cluster: LabCluster) -> None:
        self._cluster = cluster
        self.speaker = cluster.speaker("node1").pid
        cores.pin(self.speaker, CORE)
        self.client = cluster.lab.client
        self.rates: dict[tuple[str, Family], float] = {}

    def kernels_address(self, family: Family) -> IPAddress:
        """An address on the node's interface."""
        address = ON_THE_INTERFACE[family]
        prefix = f"{address}/{address.max_prefixlen}"
        self._cluster.lab.node("node1").run(["ip", "address", "add", prefix, "dev", UPLINK])
        return address

    def service_address(self, family: Family) -> IPAddress:
        """The Service's address, once the node answers for it."""
        (address,) = (one for one in self._cluster.wait_for_addresses("web", 2) if one.version == family)
        self._cluster.wait_for_announcer(address)
        return address


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segment]:
    topology = home_network(nodes=1, pods_per_node=1, router=False, ipv6=True)
    with LabCluster(topology, tmp_path_factory.mktemp("arp")) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web", families=(4, 6))
        cluster.start()
        yield Segment(cluster)


def saturate(benchmark: Benchmark, segment: Segment, address: IPAddress) -> float:
    """Ask as fast as it is answered, fifteen rounds: the answers per second of the best one."""
    rounds: list[Answers] = []
    with (
        cores.on_core(CORE),
        cores.preferred(segment.speaker, os.getpid()),
        Questions(segment.client, address) as questions,
    ):
        benchmark.pedantic(lambda: rounds.append(questions.ask(REQUESTS)), rounds=ROUNDS)
    rate = max(one.per_second for one in rounds)
    benchmark.extra_info.update(answers_per_second=rate, lost=sum(one.lost for one in rounds))
    return rate


@answered
@families
def test_the_kernel_answers(benchmark: Benchmark, segment: Segment, family: Family, tell: Tell) -> None:
    rate = saturate(benchmark, segment, segment.kernels_address(family))
    segment.rates["kernel", family] = rate
    tell(f"{QUESTION[family]} answered by the kernel: {rate:,.0f} per second")


@answered
@families
def test_the_speaker_answers(benchmark: Benchmark, segment: Segment, family: Family, tell: Tell) -> None:
    assert ("kernel", family) in segment.rates, "there is nothing to compare with: run the whole of bench_arp.py"
    rate = saturate(benchmark, segment, segment.service_address(family))
    segment.rates["speaker", family] = rate
    benchmark.extra_info["ratio"] = ratio = rate / segment.rates["kernel", family]
    tell(
        f"{QUESTION[family]} answered by the speaker: {rate:,.0f} per second, {benchmark.extra_info['lost']} of "
        f"{REQUESTS * ROUNDS:,} lost; to the kernel's on the same core: ratio {ratio:.3g}"
    )
    assert ratio >= OF_THE_KERNEL, f"the speaker answers less than {OF_THE_KERNEL} times as fast as the kernel"

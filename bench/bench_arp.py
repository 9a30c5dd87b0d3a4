"""How many ARP requests and neighbour solicitations the speaker answers per second, beside the kernel's own responder.

Method. A client asks 20,000 times for one address, at most 128 questions open at a time (``questions``), fifteen rounds
for each responder in turn, of which the best one counts: first the kernel, for an address on the node's interface; then
the speaker, for the address of a Service. Both answer over the same two veth pairs and the same bridge, and **on the
same core**: the client and every thread of the speaker are kept on one, so that asking and answering take turns. The
client's work is in both rates, and brings their ratio nearer to 1 than that of the responders alone would be.

The flood. Another host of the segment, its program and with it all that its frames cost on veth kept on the other core,
asks for addresses that nobody has, 20,000 times a second. Meanwhile the client asks for the Service's address at a
quarter of the rate that the speaker has just shown: the figure is the answers per question, beside those without the
flood. So the flood's own work is in neither figure, and a question that goes unanswered is one that the speaker lost.
Shown as well is the CPU time of the speaker for an answer, in the flood and without.

What limits. On veth the kernel answers inside the very system call that asks, and never wakes a process; the speaker is
woken (after the kernel has looked at each request itself, and not answered), reads, and writes. Neither figure is a
NIC's, and a real segment carries a few requests per second and address: what is shown is that a storm of them is no
danger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from bench import cores, flood
from bench.questions import Answers, Questions
from bench.report import Benchmark, duration

from metalev.lab.cluster import LabCluster
from metalev.lab.host import Host
from metalev.lab.links import UPLINK
from metalev.lab.topology import home_network
from metalev.model.address import Family, IPAddress

REQUESTS = 20_000
ROUNDS = 15
FLOODED_REQUESTS = 100_000
FLOOD_PER_SECOND = 20_000
ON_THE_INTERFACE: Mapping[Family, IPAddress] = {4: IPv4Address("192.168.1.250"), 6: IPv6Address("fd00:192:168:1::250")}
NOBODYS = (199, 211, 212, 213, 230, 240, 251, 254)  # last octets: beside the pool and far from it
QUESTION = {4: "ARP requests", 6: "neighbour solicitations"}
OF_THE_KERNEL = 0.35
OF_THE_UNFLOODED = 0.9

CORE, OTHER_CORE = cores.first_and_last()
Tell = Callable[[str], None]

families = pytest.mark.parametrize("family", [4, 6])
answered = pytest.mark.benchmark(group=f"{REQUESTS:,} questions answered")


class Segment:
    """A node with a speaker that answers for one Service, a client, and a host that floods when it is told to.

    ``rates`` are the answers per second of this run, by who answers and the family.
    """

    def __init__(self, cluster: LabCluster) -> None:
        self._cluster = cluster
        self._flooder = cluster.lab.host("router")
        self._flooder.cut()  # a third host that hears every question would be work that nobody measures
        self._speaker = cluster.speaker("node1").pid
        cores.pin(self._speaker, CORE)
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

    @contextmanager
    def flood(self, family: Family, log: Path) -> Iterator[None]:
        """Let the other host ask for what nobody has; what it sent stands in ``log`` at the end."""
        self._flooder.mend()
        frames = [self._flooder.question(address) for address in nobodys(family)]
        argv = flood.command(UPLINK, FLOOD_PER_SECOND, frames)
        process = self._flooder.spawn(argv, env={"PYTHONPATH": str(Path(flood.__file__).parents[1])}, log=log)
        cores.pin(process.pid, OTHER_CORE)
        process.wait_for(flood.READY)
        yield
        assert process.terminate() == 0, process.output()
        self._flooder.cut()

    def speaker_seconds(self, function: Callable[[], Answers]) -> tuple[Answers, float]:
        """What ``function`` counts, and the CPU time of the speaker for each of the answers."""
        before = cores.cpu_seconds(self._speaker)
        answers = function()
        return answers, (cores.cpu_seconds(self._speaker) - before) / answers.answered


def nobodys(family: Family) -> Iterator[IPAddress]:
    """Addresses of the segment that nobody has."""
    for last in NOBODYS:
        yield IPv4Address(f"192.168.1.{last}") if family == 4 else IPv6Address(f"fd00:192:168:1::{last}")


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segment]:
    topology = home_network(nodes=1, pods_per_node=1, router=True, ipv6=True)
    with LabCluster(topology, tmp_path_factory.mktemp("arp")) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web", families=(4, 6))
        cluster.start()
        yield Segment(cluster)


def saturate(benchmark: Benchmark, client: Host, address: IPAddress) -> float:
    """Ask as fast as it is answered, fifteen rounds: the answers per second of the best one."""
    rounds: list[Answers] = []
    with cores.on_core(CORE), Questions(client, address) as questions:
        benchmark.pedantic(lambda: rounds.append(questions.ask(REQUESTS)), rounds=ROUNDS)
    rate = max(one.per_second for one in rounds)
    benchmark.extra_info.update(answers_per_second=rate, lost=sum(one.lost for one in rounds))
    return rate


@answered
@families
def test_the_kernel_answers(benchmark: Benchmark, segment: Segment, family: Family, tell: Tell) -> None:
    rate = saturate(benchmark, segment.client, segment.kernels_address(family))
    segment.rates["kernel", family] = rate
    tell(f"{QUESTION[family]} answered by the kernel: {rate:,.0f} per second")


@answered
@families
def test_the_speaker_answers(benchmark: Benchmark, segment: Segment, family: Family, tell: Tell) -> None:
    assert ("kernel", family) in segment.rates, "there is nothing to compare with: run the whole of bench_arp.py"
    rate = saturate(benchmark, segment.client, segment.service_address(family))
    segment.rates["speaker", family] = rate
    benchmark.extra_info["ratio"] = ratio = rate / segment.rates["kernel", family]
    tell(
        f"{QUESTION[family]} answered by the speaker: {rate:,.0f} per second, {benchmark.extra_info['lost']} of "
        f"{REQUESTS * ROUNDS:,} lost; to the kernel's on the same core: ratio {ratio:.3g}"
    )
    assert ratio >= OF_THE_KERNEL, f"the speaker answers less than {OF_THE_KERNEL} times as fast as the kernel"


@pytest.mark.benchmark(group="a quarter of the speaker's own rate, in a flood of questions for others")
@families
def test_a_flood_of_questions_for_others_costs_no_answers(
    benchmark: Benchmark, segment: Segment, family: Family, tell: Tell, tmp_path: Path
) -> None:
    assert ("speaker", family) in segment.rates, "the rate to offer is not known: run the whole of bench_arp.py"
    address, offered = segment.service_address(family), segment.rates["speaker", family] / 4
    log = tmp_path / "flood.log"
    with cores.on_core(CORE), Questions(segment.client, address) as questions:
        alone, alone_cpu = segment.speaker_seconds(lambda: questions.offer(FLOODED_REQUESTS, offered))
        with segment.flood(family, log):
            flooded, flooded_cpu = benchmark.pedantic(
                lambda: segment.speaker_seconds(lambda: questions.offer(FLOODED_REQUESTS, offered)), rounds=1
            )
    ratio = flooded.part / alone.part
    benchmark.extra_info.update(ratio=ratio, offered_per_second=offered, cpu_ratio=flooded_cpu / alone_cpu)
    tell(
        f"{QUESTION[family]}, {offered:,.0f} offered per second: {alone.part:.2%} answered, {duration(alone_cpu)} of "
        f"the speaker's CPU each; in a flood ({log.read_text().splitlines()[-1]}): {flooded.part:.2%}, "
        f"{duration(flooded_cpu)}; ratio of the answers {ratio:.3g}"
    )
    assert ratio >= OF_THE_UNFLOODED, "a flood of questions for others costs answers"

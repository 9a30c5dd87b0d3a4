"""How many ARP requests the speaker answers per second, beside the kernel's own responder on the same cable.

Method. A client asks 20,000 times for one address, at most 128 questions open at a time (``questions``), five rounds
for each responder in turn: first the kernel, for an address on the node's interface and with no speaker there; then the
speaker, for the address of a Service. Both answer over the same two veth pairs and the same bridge.

What limits. On veth the kernel answers inside the very system call that asks: asking and answering take turns on one
core. The speaker is a process that the kernel wakes (after it has looked at each request itself, and not answered), and
that runs on another core if there is one: asking and answering overlap. So with two idle cores the speaker may answer
more per second than the kernel although an answer costs more CPU time; hence that is shown as well, of the client and
the speaker together. Neither figure is a NIC's, and a real segment carries a few requests per second and address: what
is shown is that a storm of them is no danger.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median

import pytest
from bench.questions import Answers, Questions
from bench.report import Benchmark, duration

from metalev.lab.cluster import LabCluster
from metalev.lab.links import UPLINK
from metalev.lab.topology import home_network

REQUESTS = 20_000
ROUNDS = 5
ON_THE_INTERFACE = IPv4Address("192.168.1.250")

Ask = Callable[[IPv4Address], list[Answers]]

responders = pytest.mark.benchmark(group=f"{REQUESTS:,} ARP requests answered")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    topology = home_network(nodes=1, pods_per_node=1, router=False)
    with LabCluster(topology, tmp_path_factory.mktemp("arp")) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web")
        yield cluster


@pytest.fixture(scope="module")
def kernel_rate() -> list[float]:
    """Answers per second of the kernel in this run: empty until they were measured."""
    return []


@pytest.fixture
def ask(benchmark: Benchmark, cluster: LabCluster, tell: Callable[[str], None]) -> Ask:
    """Five rounds of requests for an address."""

    def ask(address: IPv4Address) -> list[Answers]:
        rounds: list[Answers] = []
        before = cpu_seconds(cluster)
        with Questions(cluster.lab.client, address) as questions:
            benchmark.pedantic(lambda: rounds.append(questions.ask(REQUESTS)), rounds=ROUNDS)
        cpu = (cpu_seconds(cluster) - before) / sum(one.answered for one in rounds)
        lost = sum(one.lost for one in rounds)
        benchmark.extra_info.update(answers_per_second=rate(rounds), cpu_seconds_per_answer=cpu, lost=lost)
        tell(
            f"{benchmark.name}: {rate(rounds):,.0f} per second, {duration(cpu)} of CPU each (client included), "
            f"{lost} of {REQUESTS * ROUNDS:,} lost"
        )
        return rounds

    return ask


def cpu_seconds(cluster: LabCluster) -> float:
    """The CPU time of this process, which is the client, and of the lab's programs on the nodes, by now."""
    pids = [process.pid for node in cluster.lab.nodes.values() for process in node.processes]
    return time.process_time() + sum(map(_cpu_seconds, pids))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # proc(5): utime and stime


def rate(rounds: list[Answers]) -> float:
    """The median of the rounds' answers per second."""
    return median(one.per_second for one in rounds)


@responders
def test_the_kernel_answers(cluster: LabCluster, ask: Ask, kernel_rate: list[float]) -> None:
    node = cluster.lab.node("node1")
    node.run(["ip", "address", "add", f"{ON_THE_INTERFACE}/32", "dev", UPLINK])
    kernel_rate.append(rate(ask(ON_THE_INTERFACE)))


@responders
def test_the_speaker_answers(
    benchmark: Benchmark, cluster: LabCluster, ask: Ask, kernel_rate: list[float], tell: Callable[[str], None]
) -> None:
    cluster.start()
    vip = cluster.wait_for_address("web")
    cluster.wait_for_announcer(vip)
    measured = rate(ask(vip))
    assert kernel_rate, "there is nothing to compare with: run the whole of bench_arp.py"
    benchmark.extra_info["ratio"] = measured / kernel_rate[0]
    tell(f"ARP answers per second, the speaker's over the kernel's: ratio {measured / kernel_rate[0]:.3g}")

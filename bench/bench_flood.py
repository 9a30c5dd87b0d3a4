"""How many questions the speaker answers per second at saturation, in a flood of questions for others.

Method. A client asks for one address as fast as it is answered, at most 128 questions open at a time. The responder has
a core to itself, with **all that its host receives**: the speaker's threads are kept there, and the kernel hands there
what arrives on the node's interface (RPS), as a network card with its interrupt on that core would. The client and the
flood have the other core. A third host asks for addresses that nobody has, 20,000 times a second; how often in each
family. It does so all the time: in turns on the responder's segment, and on another one of the same make, a bridge with
one host that has none of these addresses. So what a frame costs its sender, the bridge and the host at the far end is
the same in both; what differs is that the responder's host hears it. Neither the client nor the flooding host hears
what is asked of everybody. There are two floods: for addresses that no Service has, as storms and scans are made of,
which the socket filter keeps from the speaker; and for one that another Service has and this node does not announce,
which the speaker is shown.

The figure: answers per second, counted in windows of a quarter of a second, four to a turn, ten turns with the flood
and ten without it one after the other. The ratio is that of the medians. Shown beside it is how busy the responder's
core was: if it was not busy throughout, the client was what limited, and the ratio says nothing; and how much of the
flood its host heard.

What limits. On veth a question costs the responder's core a few microseconds, of which half are the kernel's; on a card
it is more of both. On a machine that is at work with other things these programs come first (``cores.preferred``), and
the windows' medians leave out the worst of it; the ratio moves by some hundredths all the same.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from statistics import median

import pytest
from bench import cores, flood
from bench.questions import Questions
from bench.report import Benchmark

from metalev.lab import manifests
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Host
from metalev.lab.lab import SWITCH
from metalev.lab.links import UPLINK
from metalev.lab.manifests import Manifests
from metalev.lab.process import Process
from metalev.lab.topology import home_network
from metalev.model.address import Family, IPAddress

FLOOD_PER_SECOND = 20_000
TURNS = 10  # of each kind
WINDOWS = 4  # to a turn
WINDOW_S = 0.25
ELSEWHERE = ("192.168.1.220-192.168.1.221", "fd00:192:168:1::220-fd00:192:168:1::221")
NOBODYS = (199, 211, 212, 213, 230, 240, 251, 254)  # last octets: beside the pool and far from it
OF_THE_UNFLOODED = 0.9
QUESTIONS = {4: "ARP requests", 6: "neighbour solicitations"}
ASIDE = "aside0"  # by which the flooding host reaches the other segment

CORE, OTHER_CORE = cores.first_and_last()
Tell = Callable[[str], None]


class Segment:
    """A node with a speaker that answers for a Service, a client, a host that floods, and a segment beside theirs."""

    def __init__(self, cluster: LabCluster, log: Path) -> None:
        self._cluster = cluster
        self._log = log
        self._node = cluster.lab.node("node1")
        self._switch = cluster.lab.namespace_of(SWITCH)
        self._flooder, self._deaf = cluster.lab.host("router"), cluster.lab.host("control")
        self.client = cluster.lab.client
        self.speaker = cluster.speaker("node1").pid
        cores.pin(self.speaker, CORE)
        steer(self._node, CORE)
        for host in (self.client, self._flooder):
            flags = ["bcast_flood", "off", "mcast_flood", "off"]
            self._switch.run(["ip", "link", "set", host.name, "type", "bridge_slave", *flags])
        self._lay_aside()

    def _lay_aside(self) -> None:
        """The other segment: a bridge like the first with the host that is deaf to the rest, and a cable to it."""
        ip = ["ip", "link"]
        self._switch.run([*ip, "add", "aside", "type", "bridge", "mcast_snooping", "0"])
        self._switch.run([*ip, "set", "aside", "up"])
        self._switch.run([*ip, "set", self._deaf.name, "master", "aside"])
        far = ["peer", "name", ASIDE, "netns", self._flooder.namespace.name]
        self._switch.run([*ip, "add", "flood-aside", "type", "veth", *far])
        self._switch.run([*ip, "set", "flood-aside", "master", "aside", "up"])
        self._flooder.run([*ip, "set", ASIDE, "up"])

    def service_address(self, service: str, family: Family) -> IPAddress:
        """The Service's address of this family."""
        (address,) = (one for one in self._cluster.wait_for_addresses(service, 2) if one.version == family)
        return address

    def wait_for_announcer(self, address: IPAddress) -> None:
        """Wait until the node answers for it."""
        self._cluster.wait_for_announcer(address)

    def heard(self) -> int:
        """How many frames have arrived on the node's interface so far."""
        table = self._node.namespace.call(Path("/proc/thread-self/net/dev").read_text)
        (line,) = (one for one in table.splitlines() if one.strip().startswith(f"{UPLINK}:"))
        return int(line.split()[2])

    @contextmanager
    def flood(self, addresses: Sequence[IPAddress]) -> Iterator[Process]:
        """A flood for these, which begins aside."""
        frames = [self._flooder.question(address) for address in addresses]
        argv = flood.command(FLOOD_PER_SECOND, UPLINK, ASIDE, frames)
        self._log.unlink(missing_ok=True)  # that of the last one
        process = self._flooder.spawn(argv, env={"PYTHONPATH": str(Path(flood.__file__).parents[1])}, log=self._log)
        cores.pin(process.pid, OTHER_CORE)
        process.wait_for(flood.SAID[flood.ASIDE])
        yield process
        assert process.terminate() == 0, process.output()


def steer(host: Host, core: int) -> None:
    """Have a core do what the kernel has to do for frames that arrive on the host's interface (RPS)."""
    mask = f"echo {1 << core:x} > /sys/class/net/{UPLINK}/queues/rx-0/rps_cpus"
    command = ["ip", "netns", "exec", host.namespace.name, "sh", "-ec", mask]  # which shows its own /sys
    subprocess.run(command, check=True)


def nobodys(family: Family) -> list[IPAddress]:
    """Addresses of the segment that nobody has."""
    text = "192.168.1.{}" if family == 4 else "fd00:192:168:1::{}"
    return [ip_address(text.format(last)) for last in NOBODYS]


def write_elsewhere(written: Manifests) -> None:
    """A Service whose address only nodes with another interface announce: there is none."""
    advertised = manifests.l2_advertisement("elsewhere", ("elsewhere",))
    advertised["spec"]["interfaces"] = ["elsewhere0"]
    written.write("elsewhere-pool", manifests.pool("elsewhere", ELSEWHERE), advertised)
    written.write_service("elsewhere", families=(4, 6), annotations={"metallb.io/address-pool": "elsewhere"})


class Turns:
    """The answers per second of each window, and what the responder's core and host did meanwhile."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self.rates: list[float] = []
        self.lost = self._others = 0
        self._idle = self._seconds = 0.0

    def take(self, questions: Questions) -> None:
        """Ask for as many windows as a turn has."""
        began, idle, heard = time.perf_counter(), cores.idle_seconds(CORE), self._segment.heard()
        windows = questions.windows(WINDOWS, WINDOW_S)
        self.rates += [answers.per_second for answers in windows]
        self.lost += sum(answers.lost for answers in windows)
        self._others += self._segment.heard() - heard - sum(answers.answered for answers in windows)
        self._idle += cores.idle_seconds(CORE) - idle
        self._seconds += time.perf_counter() - began

    @property
    def rate(self) -> float:
        """The median of the windows."""
        return median(self.rates)

    @property
    def busy(self) -> float:
        """For which part of the time the responder's core was busy."""
        return 1 - self._idle / self._seconds

    @property
    def others_per_second(self) -> float:
        """How many frames the responder's host received that were not answered."""
        return self._others / self._seconds

    def __str__(self) -> str:
        return f"{self.rate:,.0f} per second (core {self.busy:.0%} busy, {self.others_per_second:,.0f} others heard)"


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segment]:
    assert CORE != OTHER_CORE, "the responder needs a core to itself: this machine has one"
    topology = home_network(nodes=1, pods_per_node=1, router=True, ipv6=True, control_plane=True)
    directory = tmp_path_factory.mktemp("flood")
    with LabCluster(topology, directory) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web", families=(4, 6), annotations={"metallb.io/address-pool": "default"})
        write_elsewhere(cluster.manifests)
        cluster.start()
        yield Segment(cluster, directory / "flood.log")


@pytest.fixture(params=["nobody", "another Service"])
def asked_for(request: pytest.FixtureRequest) -> str:
    """Whom the flood asks for."""
    name: str = request.param
    return name


@pytest.mark.benchmark(group="questions answered at saturation, in a flood of questions for others")
@pytest.mark.parametrize("family", [4, 6])
def test_a_flood_of_questions_for_others_costs_few_answers(
    benchmark: Benchmark, segment: Segment, family: Family, asked_for: str, tell: Tell
) -> None:
    address = segment.service_address("web", family)
    segment.wait_for_announcer(address)
    others = nobodys(family) if asked_for == "nobody" else [segment.service_address("elsewhere", family)]
    flooded, alone = Turns(segment), Turns(segment)
    with ExitStack() as stack:
        questions = stack.enter_context(Questions(segment.client, address))
        process = stack.enter_context(segment.flood(others))
        stack.enter_context(cores.on_core(OTHER_CORE))
        stack.enter_context(cores.preferred(segment.speaker, process.pid, os.getpid()))

        def take_turns() -> None:
            for turns, to in ((flooded, flood.SEGMENT), (alone, flood.ASIDE)):
                said = process.output().count(flood.SAID[to])
                os.kill(process.pid, to)
                process.wait_for_count(flood.SAID[to], said + 1)
                turns.take(questions)

        benchmark.pedantic(take_turns, rounds=TURNS)
    ratio = flooded.rate / alone.rate
    benchmark.extra_info.update(ratio=ratio, answers_per_second=flooded.rate, alone=alone.rate)
    tell(f"{QUESTIONS[family]} answered: {alone}; in a flood for {asked_for}: {flooded}; ratio {ratio:.3g}")
    assert flooded.others_per_second > FLOOD_PER_SECOND / 2 > alone.others_per_second, (
        "the flood was not where it was to be"
    )
    assert ratio >= OF_THE_UNFLOODED, "a flood of questions for others costs answers"

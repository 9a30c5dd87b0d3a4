"""How soon somebody else announces an address whose announcer is told to end: metalev beside keepalived.

Method. The lab of ``bench_failover.py``: three nodes, a client, one address. The announcer gets SIGTERM, and the client
reads every ARP frame from its network card. The figure is from just before the signal to the first gratuitous frame for
the address from another node; beside it, from the signal to the end of the process. Median of nine rounds; between two
rounds the program is started again and has become a stand-by. The timer of this benchmark is a clock that only these
times advance.

What limits. MetalLB's published 77-210 ms and keepalived's 60-80 ms are of another machine, with a lab of the same
shape; keepalived is measured here, too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from bench.arena import Arena, arena_in
from bench.bench_failover import SilenceClock
from bench.contestants import Contestant, Keepalived, Metalev
from bench.report import Benchmark

from metalev.lab import arp, links
from metalev.lab.capture import packet_socket, receive
from metalev.lab.host import Node

ROUNDS = 9
PATIENCE_S = 30.0
CLOCK = SilenceClock()
handover = pytest.mark.benchmark(group="SIGTERM: first gratuitous frame of the successor", timer=CLOCK)


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena_in(tmp_path_factory.mktemp("handover")) as arena:
        yield arena


def measure(benchmark: Benchmark, arena: Arena, contestant: Contestant, tell: Callable[[str], None]) -> None:
    """Nine hand-overs of a contestant."""
    frames: list[float] = []
    ends: list[float] = []

    def one_end() -> None:
        announcer = arena.settle()
        frame, end = _hand_over(arena, contestant, announcer)
        frames.append(frame * 1e3)
        ends.append(end * 1e3)
        CLOCK.advance(frame * 1e3)
        contestant.revive(announcer)

    with ExitStack() as stack:
        stack.callback(contestant.stop)
        contestant.start()
        benchmark.pedantic(one_end, rounds=ROUNDS)
    benchmark.extra_info.update(frames_ms=frames, ends_ms=ends)
    tell(
        f"{contestant.name}: first gratuitous frame of the successor after {statistics.median(frames):.1f} ms "
        f"({min(frames):.1f}-{max(frames):.1f}), its own end after {statistics.median(ends):.0f} ms"
    )


@handover
def test_hand_over_of_keepalived(
    benchmark: Benchmark, arena: Arena, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    measure(benchmark, arena, Keepalived(arena.cluster, arena.address, 1.0, tmp_path), tell)


@handover
def test_hand_over_of_metalev(benchmark: Benchmark, arena: Arena, tell: Callable[[str], None]) -> None:
    measure(benchmark, arena, Metalev(arena.cluster), tell)


def _hand_over(arena: Arena, contestant: Contestant, announcer: Node) -> tuple[float, float]:
    """Seconds from SIGTERM to the successor's first frame, and to the end of the process."""
    process = contestant.process(announcer)
    with packet_socket(arena.cluster.lab.client.namespace, links.UPLINK, arp.ETHERTYPE_ARP) as sock:
        began = time.perf_counter()
        process.ask_to_end()
        sock.settimeout(PATIENCE_S)
        while not _is_of_another(told := receive(sock).arp, arena.address, announcer):
            assert time.perf_counter() < began + PATIENCE_S, f"nobody announces {arena.address}; the last was {told}"
        frame = time.perf_counter() - began
        process.wait(PATIENCE_S)
        return frame, time.perf_counter() - began


def _is_of_another(told: arp.ArpPacket | None, address: IPv4Address, announcer: Node) -> bool:
    """Whether it is a gratuitous frame for the address from another node."""
    return told is not None and told.gratuitous and told.sender == address and told.sender_mac != announcer.mac

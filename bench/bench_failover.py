"""How long an address is silent when its announcer's node loses its power: metalev beside keepalived.

Method. One lab (three nodes and a client, each a network namespace, on a bridge), one Service, one address and one
stand-in for kube-proxy, the same for all: only who announces the address changes. metalev runs with its default timing;
keepalived (VRRP version 3, ``nopreempt``, highest priorities) first with its usual adverts every second, then tuned to
every 0.1 s. A round: everything is settled and the pods are on the nodes that will live; the client opens a new TCP
connection every 10 ms (``metalev.lab.prober``); the announcer's port goes down and its processes are killed; as soon as
connections succeed again the prober reports the longest interval between two completed handshakes; the node comes back.
The figure is the median of five rounds. The floor is the prober's longest silence while nothing happens.

A node may die just after a sign of life or just before the next one, which for adverts every second is a second's
difference. The steps of a round take about the same time after each takeover, so without more they would always hit the
same moment; hence the deaths of the five rounds are spread evenly over the interval between two signs of life.

The timer of these benchmarks is a clock that only those silences advance, so the times that pytest-benchmark prints and
stores are the gaps, not what a round took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from bench.arena import Arena, Gaps, arena_in
from bench.contestants import Contestant, Keepalived, Metalev
from bench.report import Benchmark

from metalev.lab.prober import Report

ROUNDS = 5
BASELINE = "keepalived, adverts every 1 s"


class SilenceClock:
    """A timer that stands still except for silences."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def __call__(self) -> float:
        """The sum of the silences so far, in seconds."""
        return self._seconds

    def advance(self, milliseconds: float) -> None:
        """Add a silence."""
        self._seconds += milliseconds / 1000


CLOCK = SilenceClock()
failover = pytest.mark.benchmark(group="failover: silence for new connections", timer=CLOCK)


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena_in(tmp_path_factory.mktemp("failover")) as arena:
        yield arena


@pytest.fixture(scope="module")
def results() -> dict[str, Gaps]:
    """What was measured in this run, by contestant."""
    return {}


@pytest.fixture
def measure(
    benchmark: Benchmark, arena: Arena, results: dict[str, Gaps], tell: Callable[[str], None]
) -> Callable[[Contestant], Gaps]:
    """Five deaths of a contestant."""

    def measure(contestant: Contestant) -> Gaps:
        reports: list[Report] = []

        def one_death() -> None:
            reports.append(arena.death(contestant, contestant.heartbeat * len(reports) / ROUNDS))
            CLOCK.advance(reports[-1].longest_silence_ms)
            tell(f"{contestant.name}: death {len(reports)} of {ROUNDS}: {reports[-1].longest_silence_ms:.0f} ms")

        with ExitStack() as stack:
            stack.callback(contestant.stop)
            contestant.start()
            arena.settle()
            floor = arena.floor()
            benchmark.pedantic(one_death, rounds=ROUNDS)
        gaps = tuple(report.longest_silence_ms for report in reports)
        own_delay = max(report.own_delay_ms for report in (floor, *reports))
        results[contestant.name] = Gaps(contestant.name, gaps, floor.longest_silence_ms, own_delay)
        benchmark.extra_info.update(gaps_ms=gaps, floor_ms=floor.longest_silence_ms, prober_late_ms=own_delay)
        return results[contestant.name]

    return measure


@failover
@pytest.mark.parametrize("advert", [1.0, 0.1])
def test_failover_of_keepalived(
    arena: Arena, advert: float, measure: Callable[[Contestant], Gaps], tmp_path: Path
) -> None:
    measure(Keepalived(arena.cluster, arena.address, advert, tmp_path))


@failover
def test_failover_of_metalev_is_ahead_of_keepalived(
    benchmark: Benchmark,
    arena: Arena,
    measure: Callable[[Contestant], Gaps],
    results: dict[str, Gaps],
    tell: Callable[[str], None],
) -> None:
    measured = measure(Metalev(arena.cluster))
    assert BASELINE in results, "there is nothing to compare with: run the whole of bench_failover.py"
    for line in table(list(results.values())):
        tell(line)
    benchmark.extra_info["ratios"] = {name: measured.median / other.median for name, other in results.items()}
    assert measured.median < results[BASELINE].median, (
        f"metalev's median gap of {measured.median:.0f} ms is not shorter than that of keepalived with adverts every "
        f"second, {results[BASELINE].median:.0f} ms"
    )


def table(results: list[Gaps]) -> list[str]:
    """The comparison for a person; ``ratio`` is to the first one's median."""
    first = results[0].median
    columns = ("median", "min", "max", "floor", "prober late", "ratio")
    lines = [f"{f'silence after a death (ms), {ROUNDS} rounds':42}" + "".join(f"{one:>13}" for one in columns)]
    for one in results:
        figures = (one.median, min(one.gaps), max(one.gaps), one.floor, one.own_delay)
        lines.append(f"{one.name:42}" + "".join(f"{one:13.0f}" for one in figures) + f"{one.median / first:13.3f}")
    return lines

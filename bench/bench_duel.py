"""A node's death and a planned move as a client feels them: metalev beside keepalived, in turn, in the same lab.

Method. One lab (three nodes and a client, each a network namespace, on a bridge) and one stand-in for kube-proxy. Both
run on all three nodes at the same time, each with an address of its own: metalev with its default timing, keepalived
with VRRP version 3, ``nopreempt``, the highest priorities and adverts every 0.1 s. The client opens a new TCP
connection every 10 ms and holds ten connections to an echo port, over each of which it sends 8 bytes every 50 ms
(``metalev.lab.prober``); the pods are on nodes that live. A sample is the longest interval between two completed
handshakes, and how many of the ten were lost. Rivals take turns, so that what else the machine does hits both alike.

Events. *Death*: the announcer's port goes down and its programs are killed, ``--repeats`` times (5), spread evenly over
the interval between two signs of life: a node may die just after one or just before the next. Both rivals' programs
start anew when the node returns. *Move*: the announcer's program is ended by SIGTERM, as an upgrade does, and started
again when another answers.

``make bench ARGS="-k bench_duel --repeats 30 --plot docs/failover.svg"`` is what the documents show. Nearest rank: with
30 repeats the 99th percentile is the worst.

What limits. An interval of 10 ms is the floor. In a silence there is how late the prober itself was, at most "prober
late"; near to the gap, it says that the machine was too busy to measure. Both run beside each other, and a death is one
of both programs: on the node that dies they lose, and start, together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.bench_failover import CLOCK
from bench.duel import HEADER, Duel, Sample, duel, percentile, row
from bench.plot import plot
from bench.report import Benchmark

EVENTS = {"death": Duel.death, "move": Duel.move}
Results = dict[tuple[str, str], list[Sample]]


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Duel]:
    with duel(tmp_path_factory.mktemp("duel")) as made:
        yield made


@pytest.fixture(scope="module")
def repeats(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--repeats"))


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[Results]:
    """What was measured, by event and rival; the plot is written at the end."""
    found: Results = {}
    yield found
    if found and (file := request.config.getoption("--plot")):
        rows = {f"{event}, {who}": [one.silence for one in samples] for (event, who), samples in found.items()}
        Path(file).write_text(plot("longest silence for new connections", rows))


@pytest.mark.benchmark(group="as a client feels it", timer=CLOCK)
@pytest.mark.parametrize("event", EVENTS)
def test_metalev_beside_keepalived(  # noqa: PLR0917  (fixtures, which pytest gives by name)
    benchmark: Benchmark, arena: Duel, results: Results, event: str, repeats: int, tell: Callable[[str], None]
) -> None:
    happen = EVENTS[event]
    metalev, keepalived = arena.corners
    ours: list[Sample] = []
    theirs: list[Sample] = []

    def rival() -> None:
        theirs.append(happen(arena, keepalived, len(theirs) / repeats))

    def subject() -> None:
        ours.append(happen(arena, metalev, len(ours) / repeats))
        CLOCK.advance(ours[-1].silence)
        tell(
            f"{event} {len(ours)} of {repeats}: metalev {ours[-1].silence:.0f} ms, keepalived "
            f"{theirs[-1].silence:.0f} ms; lost {ours[-1].lost} and {theirs[-1].lost} of 10"
        )

    benchmark.pedantic(subject, setup=rival, rounds=repeats)
    tell("| " + " | ".join(HEADER) + " |")
    for corner, samples in ((metalev, ours), (keepalived, theirs)):
        results[event, corner.contestant.name] = samples
        benchmark.extra_info[corner.contestant.name] = [[one.silence, one.lost, one.own_delay] for one in samples]
        tell("| " + " | ".join(row(event, corner.contestant.name, samples)) + " |")
    medians = [percentile([one.silence for one in samples], 0.5) for samples in (ours, theirs)]
    benchmark.extra_info["ratio"] = medians[0] / medians[1]
    tell(f"{event}: ratio of the medians {medians[0] / medians[1]:.2f}")
    if event == "death":
        assert medians[0] < medians[1], f"metalev's median silence is not shorter than keepalived's: {medians}"

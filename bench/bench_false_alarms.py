"""Whether a node is given up that lives, while other work takes every core: it never should be.

Method. Three nodes of a lab, their speakers with the default timing, one address; beside them a program without end
per core, at the same priority as everything else. For ``--minutes`` (1) nothing happens to any node. What is counted
are the takeovers that the speakers report, by reason, and how often they gave a peer up on a path; a client connects
every 10 ms meanwhile, and its longest silence is what it felt of the load.

``make bench ARGS="-k bench_false_alarms --minutes 10"`` is what the documents show. That there is no takeover is
asserted.

What limits. The load competes for the cores only: it neither fills the memory nor the network. The speakers themselves
are what the machine's other users leave of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.report import Benchmark

from metalev.lab import prober
from metalev.lab.cluster import LabCluster
from metalev.lab.pods import HTTP_PORT
from metalev.lab.topology import home_network

PATIENCE_S = 60
MOVES = "metalev_moves_total"
LOST = " is no longer heard on "  # an engine's word for a peer that it gave up on an interface or path


@pytest.mark.benchmark(group="false alarms: how long the load lasted")
def test_a_busy_machine_moves_nothing(
    benchmark: Benchmark, tmp_path: Path, request: pytest.FixtureRequest, tell: Callable[[str], None]
) -> None:
    seconds = request.config.getoption("--minutes") * 60
    with LabCluster(home_network(nodes=3, pods_per_node=1, router=False), tmp_path) as cluster:
        cluster.manifests.write_pool()
        cluster.manifests.write_service("web")
        cluster.start()
        address = cluster.wait_for_address("web")
        cluster.wait_for_announcer(address)
        before = first_move(cluster)
        log = tmp_path / "prober.log"
        probing = prober.start(cluster.lab.client, f"{address}:{HTTP_PORT}", log=log, seconds=2 * seconds)
        with load(os.cpu_count() or 1):
            benchmark.pedantic(lambda: threading.Event().wait(seconds), rounds=1)
        report = prober.finish(probing)
        happened = moves(cluster) - before
        lost = sum(cluster.speaker(name).output().count(LOST) for name in cluster.lab.nodes)
    benchmark.extra_info.update(moves=dict(happened), longest_silence_ms=report.longest_silence_ms)
    tell(
        f"{seconds / 60:g} minutes with every core busy, load {os.getloadavg()[0]:.1f}: {happened.total()} takeovers, "
        f"peers given up on a path {lost} times; longest silence {report.longest_silence_ms:.0f} ms, the prober itself "
        f"up to {report.own_delay_ms:.0f} ms late"
    )
    assert not happened, f"an address moved though no node died: {dict(happened)}"


def first_move(cluster: LabCluster) -> Counter[str]:
    """Wait until the first takeover is counted, which is a little after it is seen on the wire."""
    deadline = time.monotonic() + PATIENCE_S
    while not (counted := moves(cluster)):
        assert time.monotonic() < deadline, "nobody counted the first takeover"
    return counted


def moves(cluster: LabCluster) -> Counter[str]:
    """The takeovers so far by reason, of all nodes."""
    found: Counter[str] = Counter()
    for node in cluster.lab.nodes:
        found.update({name: int(count) for name, count in cluster.metrics(node).items() if name.startswith(MOVES)})
    return found


@contextmanager
def load(programs: int) -> Iterator[None]:
    """So many programs that compute without end."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()

"""What a speaker computes when a node dies that announced thousands of addresses.

Method. Three engines on a simulated segment (``rust/engine/examples/promote.rs``), built with optimisation: one
announces all groups and dies, half would go to each of the others. Measured is what both survivors' engines use of a
processor in the millisecond in which they give it up and take its groups: the decision for each group, the facts that
are told, and the announcements that are queued. Beside it, in the same run, the floor: to write both gratuitous ARP
frames of each address and nothing else. Best of five of each.

Whether it is linear shows in the cost of each group: with 20,000 it is to be hardly more than with 500, by what the
processor's caches no longer hold.

What limits. No socket is in it: the frames leave afterwards, paced, those first that were asked for last.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from bench.report import Benchmark

COMMAND = ["cargo", "run", "--quiet", "--locked", "--release", "-p", "metalev-engine", "--example", "promote", "--"]


@pytest.mark.benchmark(group="the groups of a dead node, taken in one pass")
@pytest.mark.parametrize("groups", [500, 5_000, 20_000])
def test_promotion(benchmark: Benchmark, groups: int, tell: Callable[[str], None]) -> None:
    run = subprocess.run([*COMMAND, str(groups)], check=True, capture_output=True, text=True)
    found = json.loads(run.stdout)
    benchmark.pedantic(lambda: None, rounds=1)
    took, frames = found["pass"], found["frames"]
    benchmark.extra_info.update(seconds=took, frames=frames, ratio=took / frames)
    tell(
        f"{groups:,} groups taken by two: {took * 1e3:.2f} ms, {took / groups * 1e6:.1f} us each; "
        f"their frames alone {frames * 1e3:.2f} ms: {took / frames:.0f} times that"
    )

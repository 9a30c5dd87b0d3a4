"""What a question costs the engine that answers it, by the number of addresses that it holds.

Method. Engines that hold 1, 1,000, 5,000 and 50,000 addresses of each family (``rust/engine/examples/questions.rs``,
built with optimisation) are asked 50,000 times, in turns, nine rounds each, of which the best one counts: the frame is
read, judged, and its answer made and taken away. Once it is the same 64 addresses all the time, as of clients that come
back: that is the cost of the look-up, and the ratio to one address is asserted to be 1.5 at most. And once it is each
address in turn, in an order without order.

What limits. No socket is in it, which cost several times as much (``bench_flood.py``). Asked for each in turn, of
50,000 addresses no answer finds what it needs in the processor's nearest caches: the growth that is left there is the
memory's, some hundred nanoseconds, and not that of a search, which would take 50,000 times as long.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from bench.report import Benchmark, duration

COUNTS = (1, 1_000, 5_000, 50_000)
FLAT = 1.5
COMMAND = ["cargo", "run", "--quiet", "--locked", "--release", "-p", "metalev-engine", "--example", "questions", "--"]


@pytest.mark.benchmark(group="a question answered by an engine that holds 50,000 addresses")
def test_a_question_costs_the_same_however_many_addresses_are_held(
    benchmark: Benchmark, tell: Callable[[str], None]
) -> None:
    run = subprocess.run([*COMMAND, *map(str, COUNTS)], check=True, capture_output=True, text=True)
    one, *more = (json.loads(line) for line in run.stdout.splitlines())
    benchmark.pedantic(lambda: None, rounds=1)
    tell(f"1 address held: {duration(one['few'])} by ARP, {duration(one['ndp'])} by IPv6")
    ratios = {held["count"]: held["few"] / one["few"] for held in more}
    for held in more:
        tell(
            f"{held['count']:,} held: {duration(held['few'])}, ratio {ratios[held['count']]:.3g}; each in turn: "
            f"{duration(held['arp'])} by ARP, {duration(held['ndp'])} by IPv6; not held: {duration(held['other'])}"
        )
    benchmark.extra_info.update(seconds=one["few"], ratios=ratios)
    assert max(ratios.values()) <= FLAT, "a question costs more the more addresses are held"

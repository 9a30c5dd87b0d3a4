"""Whether memory grows while Services come and go.

Method. The real programs on a directory, as in ``bench_memory.py``: 1,000 Services are written and, once all are
announced, removed again, ``ROUNDS`` times. After each removal, when both programs know of no Service any more, VmRSS is
read. What the allocator keeps of the first rounds it uses again: so what counts is how much more it is after the last
round than halfway.

What limits. An address that was released rests for a minute and is remembered as long, so that a round has other
addresses than the ten before it: only after these does memory come to rest. The time that the benchmark prints is that
of all rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench.installation import Installation, installation, resident
from bench.report import Benchmark

SERVICES = 1_000
ROUNDS = 20
MIB = 1 << 20


@pytest.mark.benchmark(group="1,000 Services come and go, twenty times")
def test_memory_while_services_come_and_go(benchmark: Benchmark, tmp_path: Path, tell: Callable[[str], None]) -> None:
    with installation(tmp_path, SERVICES) as installed:
        installed.start()
        kept: dict[str, list[int]] = {"controller": [], "speaker": [], "its peer": []}
        benchmark.pedantic(lambda: _come_and_go(installed, kept), rounds=1)
    for program, sizes in kept.items():
        benchmark.extra_info[program] = sizes
        grown = (sizes[-1] - sizes[ROUNDS // 2 - 1]) / MIB
        tell(f"{program}: {' '.join(f'{size / MIB:.1f}' for size in sizes)} MiB; {grown:+.1f} in the second half")


def _come_and_go(installed: Installation, kept: dict[str, list[int]]) -> None:
    for index in range(ROUNDS):
        if index:
            installed.add()
        installed.remove()
        pids = (installed.controller.pid, installed.speaker.pid, installed.peer.pid)
        for sizes, pid in zip(kept.values(), pids, strict=True):
            sizes.append(resident(pid)[0])

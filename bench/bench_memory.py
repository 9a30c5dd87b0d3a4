"""How much memory the two programs keep, and what they use of a core while nothing happens.

Method. The real programs, each with its own interpreter, on a directory of manifests with 0, 1,000 and 5,000 Services
of one pod on each of two nodes; no kube-proxy beside them, and nobody who asks for metrics. The first node announces
all the addresses, the second is its peer and may announce none. When every Service has its address and all are
announced, and the programs have come to rest (ten seconds went by with less than a hundredth of a core: the burst of
gratuitous frames is over, and the next free addresses are probed), thirty seconds begin in which nothing changes; after
them VmRSS and VmHWM are read: what is in memory now and the most that ever was. The CPU time is that of these thirty
seconds. The time that the benchmark itself prints is from the start of the first program to the last announcement,
with everything read from files.

What limits. The figures to compare with are published ones of MetalLB, **of another machine**, with its objects in a
Kubernetes API server instead of files; for its speaker none with 5,000 Services. So they are printed beside, and
nothing is asserted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench.installation import installation, resident
from bench.report import Benchmark

IDLE_SECONDS = 30
MIB = 1 << 20
# As published, in MiB, by the number of Services.
METALLB = {"controller": {0: "56", 1_000: "77", 5_000: "126-142"}, "speaker": {0: "62", 1_000: "91", 5_000: "?"}}


@pytest.mark.benchmark(group="both programs, from the first one's start to the last announcement")
@pytest.mark.parametrize("services", [0, 1_000, 5_000])
def test_memory_and_idle_cpu(benchmark: Benchmark, services: int, tmp_path: Path, tell: Callable[[str], None]) -> None:
    with installation(tmp_path, services) as installed:
        benchmark.pedantic(installed.start, rounds=1)
        installed.settle()
        used = installed.cpu_use(IDLE_SECONDS)
        for program, pid, cpu in zip(METALLB, (installed.controller.pid, installed.speaker.pid), used, strict=True):
            now, most = resident(pid)
            benchmark.extra_info[program] = {"rss": now, "rss_most": most, "idle_cpu": cpu}
            tell(
                f"{program}, {services:,} Services: {now / MIB:.0f} MiB (at most {most / MIB:.0f}), idle {cpu:.2%} of "
                f"a core; MetalLB, on another machine: {METALLB[program][services]} MiB"
            )

"""A figure beside the one that it is compared with, both of the same run: the ratio is what travels."""

from __future__ import annotations

import gc
import math
import time
import timeit
from collections.abc import Callable
from typing import Any, Protocol

MIN_SERIES = 5
MIN_SECONDS = 1.0
SERIES_PER_RANGE = 100  # timeit's range is 0.2 s long, so a series is of 2 ms, or of one call


class Benchmark(Protocol):
    """What is used of pytest-benchmark's fixture, which has no types of its own."""

    name: str
    extra_info: dict[str, Any]
    stats: Any

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Measure; as many rounds as fit into a second."""
        ...

    def pedantic(
        self, target: Callable[..., Any], *, setup: Callable[[], Any] | None = None, rounds: int, iterations: int = 1
    ) -> Any:
        """Measure exactly so many rounds, each after its own ``setup``, which returns the target's arguments."""
        ...


def best_seconds(function: Callable[[], object]) -> float:
    """What one call takes at best, over a second and at least five series of calls. The garbage collector runs.

    It is for the baseline of a comparison; the subject goes through pytest-benchmark, which times alike.
    """
    timer = timeit.Timer(function, setup=gc.enable)
    calls = max(1, timer.autorange()[0] // SERIES_PER_RANGE)
    series: list[float] = []
    began = time.perf_counter()
    while len(series) < MIN_SERIES or time.perf_counter() < began + MIN_SECONDS:
        series.append(timer.timeit(calls))
    return min(series) / calls


class Before:
    """A baseline that runs before each round of the subject, as its ``setup``: what disturbs one disturbs the other.

    It runs ``calls`` times at once, for a subject that does so many times as much; ``timer`` is the subject's.
    """

    def __init__(
        self, function: Callable[[], object], calls: int, *, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self.best = math.inf  # seconds of one call
        self._timer = timeit.Timer(function, setup=gc.enable, timer=timer)
        self._calls = calls

    def __call__(self) -> None:
        """Run and be timed."""
        self.best = min(self.best, self._timer.timeit(self._calls) / self._calls)


def compare(
    benchmark: Benchmark, baseline: str, baseline_seconds: float, *, per: int = 1, baseline_per: int = 1
) -> str:
    """Store the ratio of what was just measured to a baseline in ``extra_info``; the line that says so.

    Both at their best, because what else the machine does can only add, and never adds the same to both. ``per`` and
    ``baseline_per`` divide: how many things one call did.
    """
    subject = benchmark.stats.stats.min / per
    other = baseline_seconds / baseline_per
    benchmark.extra_info.update(baseline=baseline, baseline_seconds=other, seconds=subject, ratio=subject / other)
    return f"{duration(subject)}; {baseline}: {duration(other)}; ratio {subject / other:.3g}"


def duration(seconds: float) -> str:
    """For a person: three digits and a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"

"""The figures that the benchmarks print."""

from types import SimpleNamespace

import pytest
from bench.report import Before, best_seconds, compare, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5, "2.5 s"), (0.150, "150 ms"), (0.00123, "1.23 ms"), (1e-6, "1 us"), (6.1942e-07, "619 ns")],
)
def test_duration_has_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ratio_is_of_the_costs_of_one_thing_each() -> None:
    benchmark = SimpleNamespace(extra_info={}, stats=SimpleNamespace(stats=SimpleNamespace(min=20.0)))
    said = compare(benchmark, "of 5", 4.0, per=10, baseline_per=5)
    assert said == "2 s; of 5: 800 ms; ratio 2.5"
    assert benchmark.extra_info == {"baseline": "of 5", "baseline_seconds": 0.8, "seconds": 2.0, "ratio": 2.5}


def test_best_time_is_of_one_call() -> None:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1
        sum(range(10_000))

    assert 0 < best_seconds(count) < 1
    assert calls > 5


def test_baseline_that_runs_before_each_round_keeps_its_best_time_of_one_call() -> None:
    calls: list[None] = []
    baseline = Before(lambda: calls.append(None), 4)
    baseline()
    baseline()
    assert len(calls) == 8
    assert 0 < baseline.best < 1

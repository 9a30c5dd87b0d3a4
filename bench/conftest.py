"""What every bench has: a way to say at once what it found."""

from collections.abc import Callable

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``make bench ARGS=...`` can ask for."""
    group = parser.getgroup("metalev")
    group.addoption("--repeats", type=int, default=5, help="of each event in bench_duel.py (5)")
    group.addoption("--plot", default="", help="write the plot of bench_duel.py to this file (SVG)")
    group.addoption("--minutes", type=float, default=1, help="of load in bench_false_alarms.py (1)")


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line at once, past pytest's capture: some benches take a minute, and the ratios are for reading."""

    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", end="", flush=True)

    return tell

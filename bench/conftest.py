"""What every bench has: a way to say at once what it found."""

from collections.abc import Callable

import pytest


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line at once, past pytest's capture: some benches take a minute, and the ratios are for reading."""

    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", end="", flush=True)

    return tell

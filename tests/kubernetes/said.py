"""What a program says in its log about an API server that has its troubles."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from time import monotonic

from metalev.lab.process import Process

PATIENCE = 180.0
LASTS = "; what was read before stays in force"
TROUBLES = 8
"""Troubles in one outage at most: nobody answers, and what a server says that goes or comes back, some of it twice.
What there is to say of each object or resource is many times that."""


def pause(seconds: float) -> None:
    """Let a fault last."""
    threading.Event().wait(seconds)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it is so."""
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end, f"it never came that {what}"
        pause(0.05)


class Said:
    """The log of a program from here on; ``lines`` gives all that it has said, each line with its time."""

    def __init__(self, lines: Callable[[], Sequence[str]]) -> None:
        self._lines = lines
        self._skipped = len(lines())

    def from_now(self) -> Said:
        """The same log from now on."""
        return Said(self._lines)

    def told(self, pattern: str) -> list[str]:
        """The lines that have ``pattern``, without their times."""
        lines = self._lines()[self._skipped :]
        return [line.split(" ", 1)[1].strip() for line in lines if re.search(pattern, line)]

    def once_and_over(self, troubles: int = TROUBLES) -> bool:
        """Wait until all that it complained of is over; hold it to have said nothing twice before it was over.

        It may have complained of so many ``troubles``. Tells whether it complained at all: who only stands by may not
        notice.
        """
        until(lambda: self._open() == set(), "all troubles are over")
        assert len(self.told(LASTS)) <= troubles, self.told(f"{LASTS}|over: ")
        return bool(self.told(LASTS))

    def _open(self) -> set[str]:
        """What it has said to be wrong and not yet to be over."""
        wrong: set[str] = set()
        for line in self.told(f"{LASTS}|INFO +over: "):
            if line.endswith(LASTS):
                trouble = line.removeprefix("WARN").removesuffix(LASTS).strip()
                assert trouble not in wrong, f"said again before it was over: {trouble}"
                wrong.add(trouble)
            else:
                wrong = {trouble for trouble in wrong if trouble not in line}
        return wrong


def log_of(process: Process) -> Said:
    """What a program on a lab says from now on."""
    return Said(lambda: process.output().splitlines())

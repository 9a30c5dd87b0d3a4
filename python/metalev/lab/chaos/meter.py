"""How late this machine runs a program that sleeps: what the bounds of a run are widened by.

It sleeps for 2 ms, again and again, and notes each time that it was woken more than 1 ms late. The report is the last
line of its output, as JSON: the times (CLOCK_BOOTTIME, s) at which it was to wake, and by how much it was late (s).
SIGTERM ends it.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from metalev.lab.host import Host
    from metalev.lab.process import Process

EVERY_S = 0.002
WORTH_S = 0.001


class Lateness(msgspec.Struct, frozen=True):
    """It was to wake at ``at``, and was late by ``by``."""

    at: float
    by: float


def late_by(lateness: list[Lateness], begin: float, end: float) -> float:
    """The sum of what was missed between two times (s), each counted as far as it lies between."""
    overlaps = (min(end, late.at + late.by) - max(begin, late.at) for late in lateness)
    return sum(overlap for overlap in overlaps if overlap > 0)


def start(host: Host, *, log: Path) -> Process:
    """Start measuring; :func:`finish` it."""
    process = host.spawn_module(__name__, log=log)
    process.wait_for("measuring", timeout=60)
    return process


def finish(process: Process) -> list[Lateness]:
    """End it and read the report."""
    process.terminate(timeout=60)
    return msgspec.json.decode(process.output().splitlines()[-1], type=list[Lateness])


def main() -> None:
    """The command line; see the module's text."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    sys.stdout.write("measuring\n")
    sys.stdout.flush()
    found: list[Lateness] = []
    due = clock_gettime(CLOCK_BOOTTIME) + EVERY_S
    while signal.sigtimedwait({signal.SIGTERM}, max(0.0, due - clock_gettime(CLOCK_BOOTTIME))) is None:
        late = clock_gettime(CLOCK_BOOTTIME) - due
        if late > WORTH_S:
            found.append(Lateness(due, late))
        due += max(EVERY_S, late + EVERY_S)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()

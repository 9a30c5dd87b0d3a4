"""Which core does what."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def first_and_last() -> tuple[int, int]:
    """Two cores that this process may use; the same one twice where there is no other."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep the calling thread, and what it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin(pid: int, core: int) -> None:
    """Keep every thread of a process on one core; those to come inherit it."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def let_go(pid: int, cores: set[int]) -> None:
    """Let every thread of a process run on each of ``cores`` again."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


@contextmanager
def preferred(*pids: int) -> Iterator[None]:
    """Let these processes, and what else is of their sessions, come before whatever else the machine does.

    Where the kernel groups by session (sched(7), autogroup), nice values count only among a session's own.
    """
    groups = [path for pid in pids if (path := Path(f"/proc/{pid}/autogroup")).exists()]
    try:
        for group in groups:
            group.write_text("-19")
        yield
    finally:
        for group in groups:
            with suppress(FileNotFoundError, ProcessLookupError):
                group.write_text("0")


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used so far, in steps of a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / CLOCK_TICKS  # proc(5): utime and stime


def threads_seconds(pid: int) -> float:
    """The CPU time of the threads that a process has now, to the nanosecond: for what uses hardly any."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9  # proc(5)


def idle_seconds(core: int) -> float:
    """How long a core has had nothing to do so far, in steps of a hundredth of a second."""
    (line,) = (one for one in Path("/proc/stat").read_text().splitlines() if one.startswith(f"cpu{core} "))
    return sum(map(int, line.split()[4:6])) / CLOCK_TICKS  # proc(5): idle and iowait

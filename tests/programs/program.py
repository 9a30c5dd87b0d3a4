"""``metalev`` as its own process, read by its log."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Self

PATIENCE = 90.0
POLL = 0.02
# An interface with a carrier, in a network namespace that goes when the process goes.
_WIRE = (
    "ip link set lo up; ip link add lan0 type veth peer name far0; ip address add 192.0.2.10/24 dev lan0; "
    'ip link set lan0 up; ip link set far0 up; exec "$@"'
)
ON_A_WIRE = ("unshare", "--net", "sh", "-ec", _WIRE, "sh")


class Program:
    """``metalev`` with ``arguments``, started by the command ``through``; killed at the end of the context.

    ``program`` is what Python is told to run.
    """

    def __init__(
        self, *arguments: str | Path, through: Sequence[str] = (), program: Sequence[str | Path] = ("-m", "metalev")
    ) -> None:
        command = [*through, sys.executable, *map(str, program), *map(str, arguments)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self.said: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line from here on that has ``pattern``."""
        end = monotonic() + PATIENCE
        while (line := self._next(end)) is not None:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no line has {pattern!r} in:\n{''.join(self.said)}")

    def metrics_port(self) -> int:
        """The port that it chose for ``--metrics-address :0``."""
        return int(self.wait_for(r"metrics and probes on port (\d+)")[1])

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def catch_up(self) -> list[str]:
        """All that it has said until now."""
        self.wait_for_silence()
        return self.said

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def end(self) -> tuple[int, str]:
        """Wait for the end; the exit status and all that it said."""
        status = self._process.wait(PATIENCE)
        self._reader.join()
        self.wait_for_silence()
        return status, "".join(self.said)

    def wait_for_silence(self) -> None:
        """Take in what is left after the end."""
        while self._next(monotonic()) is not None:
            pass

    def _next(self, end: float) -> str | None:
        try:
            line = self._lines.get(timeout=max(0.0, end - monotonic()))
        except Empty:
            return None
        if line is not None:
            self.said.append(line)
        return line

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)


def refused(*arguments: str | Path, through: Sequence[str] = ()) -> str:
    """The one line with which ``metalev`` ends when it cannot start."""
    with Program(*arguments, through=through) as program:
        status, said = program.end()
    errors = [line for line in said.splitlines() if line.startswith("metalev: error: ")]
    assert (status, len(errors)) == (1, 1), said
    assert "Traceback" not in said
    return errors[0].removeprefix("metalev: error: ")


def get(port: int, path: str) -> tuple[int, str]:
    """Status and text of a page on loopback."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end, f"it never came to this: {what}"
        Event().wait(POLL)


def until_stale(port: int, *, expected: bool) -> None:
    """Wait until the program's metric says that its configuration is stale, or that it is not."""
    wanted = f"metallb_k8s_client_config_stale_bool {float(expected)}"
    until(wanted, lambda: wanted in get(port, "/metrics")[1].splitlines())


def get_inside(program: Program, port: int, path: str) -> str:
    """The text of a page on the loopback of the program's own network namespace."""
    code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}{path}', timeout=90).read().decode())"
    command = ["nsenter", f"--net=/proc/{program.pid}/ns/net", sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

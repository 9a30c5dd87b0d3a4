"""A program that runs on a host of the lab."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalev.lab import interrupts
from metalev.lab.namespace import LabError, Namespace


class Process:
    """A running program with the processes it starts: signals go to its whole process group."""

    def __init__(self, popen: subprocess.Popen[bytes], name: str, log: Path | None) -> None:
        self._popen = popen
        self.name = name
        self.log = log

    @classmethod
    def start(
        cls,
        namespace: Namespace,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Process:
        """Start ``argv``; what it prints goes to the end of ``log``, or nowhere. ``env`` adds to this process's own."""
        target = log or Path(os.devnull)
        with target.open("ab") as output, interrupts.held():
            popen = subprocess.Popen(
                namespace.inside(argv),
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        return cls(popen, f"{namespace.name}: {Path(argv[0]).name}", log)

    @property
    def pid(self) -> int:
        """The program's process id, which is its group's as well."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet; a paused one runs."""
        return self._popen.poll() is None

    def pause(self) -> None:
        """Freeze it: it keeps its sockets and does nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut does, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def terminate(self, timeout: float = 10) -> int:
        """Ask it to end (SIGTERM) and wait; its exit status."""
        self._signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout: float) -> int:
        """Wait for its end; its exit status. :class:`LabError` with its last words if it runs on."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} did not end within {timeout:g} s; it said: {self.output()[-2000:]}") from None

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace") if self.log else ""

    def _signal(self, number: signal.Signals) -> None:
        if self.running:  # a process that was not waited for yet keeps its id, so this cannot hit another
            os.killpg(self.pid, number)

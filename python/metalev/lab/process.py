"""A program that runs on a host of the lab."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from metalev.lab import interrupts
from metalev.lab.namespace import LabError, Namespace

LOG_POLL_S = 0.02


class Process:
    """A running program with the processes it starts: signals go to its whole process group."""

    def __init__(self, popen: subprocess.Popen[bytes], name: str, log: Path | None) -> None:
        self._popen = popen
        self.name = name
        self.log = log
        self._paused = False

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
        """Freeze it, and wait until it is frozen: it keeps its sockets and does nothing."""
        if self._paused or not self.running:
            return
        self._paused = True
        self._signal(signal.SIGSTOP)
        # WNOWAIT leaves the status to Popen, in case it was the process's end.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG)  # a later pause must not find this stop again

    def resume(self) -> None:
        """Let a paused one go on."""
        self._paused = False
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut does, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def terminate(self, timeout: float = 60) -> int:
        """Ask it to end (SIGTERM) and wait; its exit status."""
        self._signal(signal.SIGTERM)
        return self.wait(timeout)

    def ask_to_end(self) -> None:
        """Ask it to end (SIGTERM), and wait for nothing."""
        self._signal(signal.SIGTERM)

    def wait(self, timeout: float) -> int:
        """Wait for its end; its exit status. :class:`LabError` with its last words if it runs on."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} did not end within {timeout:g} s; it said: {self.output()[-2000:]}") from None

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Wait until it has printed ``text``; :class:`LabError` with its last words if it ends or time runs out."""
        self.wait_for_count(text, 1, timeout)

    def wait_for_count(self, text: str, count: int, timeout: float = 60) -> None:
        """Wait until it has printed ``text`` so many times; otherwise as :meth:`wait_for`."""
        deadline = time.monotonic() + timeout
        while self.output().count(text) < count:
            if not self.running or time.monotonic() > deadline:
                why = f"within {timeout:g} s" if self.running else "before it ended"
                raise LabError(f'{self.name} did not print "{text}" {why}; it said: {self.output()[-2000:]}')
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(LOG_POLL_S)

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace") if self.log else ""

    def _signal(self, number: signal.Signals) -> None:
        if self.running:  # a process that was not waited for yet keeps its id, so this cannot hit another
            os.killpg(self.pid, number)

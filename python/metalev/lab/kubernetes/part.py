"""One program of a control plane, for a test to stop and start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from metalev.lab.namespace import LabError, Namespace
from metalev.lab.process import Process

READY_POLL_S = 0.05


class Part:
    """A program that can be started again and again, always the same; each start waits until it is ready."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        ready: Callable[[], bool],
        *,
        namespace: Namespace,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._ready = ready
        self._namespace = namespace
        self._environment = environment
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The process of the last start."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    @property
    def running(self) -> bool:
        """Whether there is a process; a paused one runs."""
        return self._process is not None and self._process.running

    def start(self, *, wait: bool = True) -> None:
        """Start it, if it does not run, and wait until it is ready."""
        if not self.running:
            self._process = Process.start(self._namespace, self._argv, env=self._environment, log=self.log)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, timeout: float = 120) -> None:
        """Wait until it serves; :class:`LabError` with its last words if it ends or time runs out."""
        deadline = time.monotonic() + timeout
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                why = f"is not ready after {timeout:g} s" if self.running else "ended"
                raise LabError(f"{self.name} {why}; it said: {self.process.output()[-2000:]}")
            threading.Event().wait(READY_POLL_S)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self._process is not None:
            self._process.terminate(timeout=60)

    def restart(self) -> None:
        """Crash it and start it again on what it has stored."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it: its connections stay open and nobody answers."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.process.resume()

"""Threads for what takes a round trip: writes to an API server, several at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

log = logging.getLogger("metalev.workers")


class Workers:
    """A fixed number of threads that do jobs in the order in which they come. A job handles its own errors."""

    def __init__(self, count: int, name: str = "write") -> None:
        """``count`` threads, started at once."""
        self.count = count
        self.idle = threading.Event()
        """Set while there is nothing to do; what can wait waits for it."""
        self.idle.set()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._change = threading.Condition(threading.Lock())
        self._unfinished = 0
        self._awaited = 0
        """Whoever waits, waits for fewer jobs than that."""
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name} {number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Have ``job`` done by the next thread that is free."""
        with self._change:
            self._unfinished += 1
            self.idle.clear()
        self._jobs.put(job)

    def wait_for_fewer(self, count: int, timeout: float) -> None:
        """Wait until fewer than ``count`` jobs are begun or wait, for up to ``timeout`` seconds; for one thread."""
        with self._change:
            self._awaited = count
            self._change.wait_for(lambda: self._unfinished < count, timeout)
            self._awaited = 0

    @property
    def ended(self) -> bool:
        """Whether no job is being done nor will be: after :meth:`stop`."""
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self, timeout: float) -> None:
        """Begin no job any more and let those that were begun end, for up to ``timeout`` seconds in all."""
        self._stopped.set()
        for _ in self._threads:
            self._jobs.put(None)
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._stopped.is_set():
            try:
                job()
            except Exception:
                log.exception("a job failed")
            with self._change:
                self._unfinished -= 1
                if self._unfinished < self._awaited:
                    self._change.notify()
                if not self._unfinished:
                    self.idle.set()

"""From the lease to the office: what a new leader does before it allocates anything."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from metalev.model.errors import Unavailable
from metalev.model.snapshot import Change, Standby

RETRY_SECONDS = 1.0

log = logging.getLogger("metalev.controller")


class Office:
    """Puts the program to work when it is the leader, and out of work when it no longer is.

    A write of the former leader may still be on its way: it started while its lease was long enough for it, so it has
    ended one time-out after the lease. Whoever takes over a lease that was not given back waits for that, reads
    everything as it is then, and only then allocates.
    """

    def __init__(
        self, steps: Sequence[Callable[[], None]], wait_seconds: float, tell: Callable[[Change], None]
    ) -> None:
        """``steps`` are done when it takes office, each again until it succeeds: they raise ``Unavailable`` if not.

        ``wait_seconds`` is how long a write may take; ``tell`` puts a change into the inbox.
        """
        self.since = float("inf")
        """Since when no write of a former leader can arrive any more, by ``time.monotonic``."""
        self._steps = steps
        self._wait_seconds = wait_seconds
        self._tell = tell
        self._lock = threading.Lock()
        self._stopped = False
        self._left = threading.Event()
        self._left.set()

    def changed(self, held: bool, clean: bool) -> None:
        """The lease came or went; returns at once."""
        with self._lock:
            self._left.set()
            if self._stopped:
                return
            if held:
                self.since = time.monotonic()
                self._left = threading.Event()
                threading.Thread(target=self._take, args=(self._left, clean), name="office", daemon=True).start()
                return
            self._tell(Standby(True))
        log.warning("another controller may be at work now: this one stands by")

    def stop(self) -> None:
        """Take no office any more."""
        with self._lock:
            self._stopped = True
            self._left.set()

    def _take(self, left: threading.Event, clean: bool) -> None:
        if not clean:
            log.info(
                "the lease was not given back: waiting %g s for writes that may be on their way", self._wait_seconds
            )
            if left.wait(self._wait_seconds):
                return
            self.since = time.monotonic()
        told = ""
        for step in self._steps:
            told = self._do(step, left, told)
        with self._lock:  # it must not be told to work after it was told to stand by
            if left.is_set():
                return
            self._tell(Standby(False))
        log.info("this controller leads")

    def _do(self, step: Callable[[], None], left: threading.Event, told: str) -> str:
        """Until it succeeds; what is wrong, unless it was ``told`` last, is told once. What was told last."""
        while not left.is_set():
            try:
                step()
            except Unavailable as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("this controller cannot begin yet: %s", error)
            except Exception:
                log.exception("this controller cannot begin yet")
            else:
                break
            left.wait(RETRY_SECONDS)
        return told

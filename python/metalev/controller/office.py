"""From the lease to the office: what a new leader does before it allocates anything."""

from __future__ import annotations

import logging
import threading
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
        self._steps = steps
        self._wait_seconds = wait_seconds
        self._tell = tell
        self._left = threading.Event()
        self._left.set()

    def changed(self, held: bool, clean: bool) -> None:
        """The lease came or went; returns at once."""
        self._left.set()
        if not held:
            self._tell(Standby(True))
            log.warning("another controller may be at work now: this one stands by")
            return
        self._left = threading.Event()
        threading.Thread(target=self._take, args=(self._left, clean), name="office", daemon=True).start()

    def stop(self) -> None:
        """Take no office any more."""
        self._left.set()

    def _take(self, left: threading.Event, clean: bool) -> None:
        if not clean:
            log.info(
                "the lease was not given back: waiting %g s for writes that may be on their way", self._wait_seconds
            )
            if left.wait(self._wait_seconds):
                return
        for step in self._steps:
            while not left.is_set() and not _succeeds(step):
                left.wait(RETRY_SECONDS)
        if not left.is_set():
            log.info("this controller leads")
            self._tell(Standby(False))


def _succeeds(step: Callable[[], None]) -> bool:
    try:
        step()
    except Unavailable as error:
        log.warning("this controller cannot begin yet: %s", error)
        return False
    return True

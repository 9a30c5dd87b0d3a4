"""What keeps a cluster from being read, told once when it begins and once when it is over."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger("metalev.kubernetes")


class Troubles:
    """Which parts have trouble now. Many that suffer from the same are one line of the log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, str] = {}

    def note(self, part: str, message: str) -> None:
        """``part`` cannot go on because of what ``message`` says."""
        with self._lock:
            news = message not in self._of.values()
            self._of[part] = message
        if news:
            log.warning("%s; what was read before stays in force", message)

    def over(self, part: str) -> None:
        """``part`` goes on."""
        with self._lock:
            message = self._of.pop(part, None)
            last = message is not None and message not in self._of.values()
        if last:
            log.info("over: %s", message)

    def first(self) -> str:
        """One of them, for whoever asks why there is nothing yet; empty if there are none."""
        return next(iter(self._of.values()), "")

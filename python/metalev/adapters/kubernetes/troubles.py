"""What keeps a cluster from being read, told once when it begins and once when it is over."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger("metalev.kubernetes")


class Troubles:
    """Which parts have trouble now. Many that suffer from the same are one line of the log, and so is its end.

    What is told is not told again before it is over, also if something else goes wrong in between: a server that is
    coming back refuses, resets and answers 500 in turn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, str] = {}
        self._told: dict[str, None] = {}

    def note(self, part: str, message: str) -> None:
        """``part`` cannot go on because of what ``message`` says."""
        with self._lock:
            self._of[part] = message
            news = message not in self._told
            self._told[message] = None
        if news:
            log.warning("%s; what was read before stays in force", message)

    def over(self, part: str) -> None:
        """``part`` goes on."""
        if part not in self._of:
            return  # as nearly always, and from many threads
        with self._lock:
            self._of.pop(part, None)
            left = set(self._of.values())
            ended = [message for message in self._told if message not in left]
            for message in ended:
                del self._told[message]
        if ended:
            log.info("over: %s", "; ".join(ended))

    def first(self) -> str:
        """One of them, for whoever asks why there is nothing yet; empty if there are none."""
        return next(iter(tuple(self._of.values())), "")

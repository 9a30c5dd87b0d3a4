"""What keeps a cluster from being read or written, told once when it begins and once when it is over."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger("metalev.kubernetes")


class Troubles:
    """Which parts have trouble now. Many that suffer from one cause are one line of the log, and so is its end.

    What is told is not told again before it is over, also if something else goes wrong in between: a server that is
    coming back refuses, resets and answers 500 in turn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._noted: dict[str, int] = {}

    def noted(self, part: str) -> int:
        """How often ``part`` had trouble so far: for :meth:`over`, by whoever does one of several things at a time."""
        return self._noted.get(part, 0)

    def note(self, part: str, message: str, cause: str = "") -> None:
        """``part`` cannot go on because of what ``message`` says.

        ``cause`` is what others suffer from whose message is another one (empty: the message itself): a role that lacks
        everything refuses each resource in words of its own, and is one trouble.
        """
        with self._lock:
            self._of[part] = cause or message
            self._noted[part] = self.noted(part) + 1
            news = self._of[part] not in self._told
            self._told.setdefault(self._of[part], message)
            log.log(logging.WARNING if news else logging.DEBUG, "%s; what was read before stays in force", message)

    def over(self, part: str, noted: int | None = None) -> None:
        """``part`` goes on: what has succeeded began when it had had trouble ``noted`` times.

        What was under way before the trouble and succeeds after it does not end it.
        """
        if part not in self._of:
            return  # as nearly always, and from many threads
        with self._lock:
            if noted is not None and noted != self.noted(part):
                return
            self._of.pop(part, None)
            left = set(self._of.values())
            ended = [self._told.pop(cause) for cause in tuple(self._told) if cause not in left]
            if ended:
                log.info("over: %s", "; ".join(ended))

    def first(self) -> str:
        """One of them, for whoever asks why there is nothing yet; empty if there are none."""
        with self._lock:
            return next((self._told[cause] for cause in self._of.values()), "")

"""Who starts again what has died, so that a cluster stands until it is taken down."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from metalev.lab.namespace import LabError

BACKOFF_S = (1.0, 30.0)


class _Record(Struct):
    """When something may be started again, and how long to wait after the next time."""

    due: float = 0.0
    pause: float = BACKOFF_S[0]


class Supervisor:
    """Starts at once what has ended; what ends over and over, after longer and longer pauses."""

    def __init__(self, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        """``say`` is told a line for each start; ``now`` is in seconds."""
        self._say = say
        self._now = now
        self._records: dict[str, _Record] = {}

    def look(self, name: str, *, running: bool, start: Callable[[], object]) -> None:
        """See to it that ``name`` runs; ``start`` returns at once, whether or not it is ready."""
        record = self._records.setdefault(name, _Record())
        now = self._now()
        if running:
            if now >= record.due + BACKOFF_S[1]:
                record.pause = BACKOFF_S[0]
            return
        if now < record.due:
            return
        record.due = now + record.pause
        record.pause = min(2 * record.pause, BACKOFF_S[1])
        self._say(f"{name} has ended, and is started again")
        try:
            start()
        except (LabError, OSError) as error:
            self._say(f"{name} could not be started: {error}")

"""Time as something that is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one for durations, one for people."""

    def now(self) -> float:
        """Seconds since any epoch; never goes back, goes on while the machine sleeps (CLOCK_BOOTTIME)."""
        ...

    def wall(self) -> datetime:
        """The time of day, aware, in UTC. For what people read, and for what lasts longer than a process."""
        ...

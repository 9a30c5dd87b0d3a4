"""The machine's clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """The same clock as the engine's: ``CLOCK_BOOTTIME``, so that the time of a fact compares with ``now``."""

    def now(self) -> float:
        """Seconds since boot, those asleep included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> datetime:
        """The time of day in UTC."""
        return datetime.now(UTC)

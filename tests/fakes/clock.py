"""Time that passes when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime


class VirtualClock:
    """Starts at 0 and at the epoch; ``seconds`` is the time, to be set. The time of day may be ``ahead`` of it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ahead = 0.0

    def now(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.seconds + self.ahead, UTC)

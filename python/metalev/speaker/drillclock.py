"""For how long a drill lasts, as this speaker sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from metalev.model.drills import Drill
from metalev.model.meta import Name


class DrillClock(Struct):
    """Which drills go on. Each lasts from when it was first seen, so nobody's time of day matters.

    What was there before this program is somebody's who has gone, and counts for nothing.
    """

    _since: dict[Name, float] = {}
    _older: frozenset[Name] | None = None

    def running(self, drills: Mapping[Name, Drill], now: float) -> tuple[Drill, ...]:
        """Those that go on, by name; ``now`` never goes back."""
        if self._older is None:
            self._older = frozenset(drills)
        self._since = {name: self._since.get(name, now) for name in drills if name not in self._older}
        return tuple(drills[name] for name, since in sorted(self._since.items()) if now < since + drills[name].seconds)

    def over_in(self, running: Collection[Drill], now: float) -> float | None:
        """Seconds until the next of these is over."""
        ends = [self._since[drill.name] + drill.seconds - now for drill in running]
        return min(ends, default=None)
